//! Values of every field type, drawn from proptest's bytes: a new frame is tested by being listed.

use alloc::string::String;
use alloc::vec::Vec;

use crate::errno::Errno;
use crate::id::{NodeId, Pid, Tid};
use crate::session::MovePhase;
use crate::table::Class;

/// Bytes to draw from; zeros once they are used up.
pub(super) struct Source(pub(super) std::vec::IntoIter<u8>);

impl Source {
    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    pub(super) fn pick(&mut self, choices: &[u8]) -> u8 {
        choices[usize::from(self.byte()) % choices.len()]
    }

    fn few<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.byte() % 12;
        (0..count).map(|_| make(self)).collect()
    }
}

/// A type whose values can be drawn.
pub(super) trait Sample {
    fn sample(source: &mut Source) -> Self;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Sample for $integer {
            fn sample(source: &mut Source) -> Self {
                Self::from_le_bytes(core::array::from_fn(|_| source.byte()))
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, i32);

macro_rules! newtypes {
    ($($newtype:ident),*) => {$(
        impl Sample for $newtype {
            fn sample(source: &mut Source) -> Self {
                Self(Sample::sample(source))
            }
        }
    )*};
}

newtypes!(NodeId, Pid, Tid, Errno);

impl Sample for bool {
    fn sample(source: &mut Source) -> Self {
        source.byte() % 2 == 1
    }
}

impl Sample for Vec<u8> {
    fn sample(source: &mut Source) -> Self {
        source.few(Source::byte)
    }
}

impl Sample for Vec<Vec<u8>> {
    fn sample(source: &mut Source) -> Self {
        source.few(Sample::sample)
    }
}

impl Sample for Vec<u64> {
    fn sample(source: &mut Source) -> Self {
        source.few(Sample::sample)
    }
}

impl Sample for String {
    fn sample(source: &mut Source) -> Self {
        source.few(|source| char::from(source.byte())).into_iter().collect()
    }
}

impl Sample for Result<(), Errno> {
    fn sample(source: &mut Source) -> Self {
        if Sample::sample(source) { Err(Sample::sample(source)) } else { Ok(()) }
    }
}

impl Sample for MovePhase {
    fn sample(source: &mut Source) -> Self {
        Self::ALL[usize::from(source.pick(&[0, 1, 2, 3, 4, 5]))]
    }
}

impl Sample for Class {
    fn sample(source: &mut Source) -> Self {
        [Self::Local, Self::Remote, Self::Special][usize::from(source.pick(&[0, 1, 2]))]
    }
}
