//! One way to write down an ABI structure: its fields in order, little-endian, no hidden padding.

/// A number that has a place in an ABI structure.
pub trait Field: Copy {
    /// Bytes it takes.
    const SIZE: usize;
    /// Reads it from the first [`Field::SIZE`] bytes of `bytes`.
    fn get(bytes: &[u8]) -> Self;
    /// Writes it to the first [`Field::SIZE`] bytes of `bytes`.
    fn put(self, bytes: &mut [u8]);
}

macro_rules! number_field {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<$number>();

            fn get(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$number>()];
                raw.copy_from_slice(&bytes[..size_of::<$number>()]);
                Self::from_le_bytes(raw)
            }

            fn put(self, bytes: &mut [u8]) {
                bytes[..size_of::<$number>()].copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

number_field!(u8, i8, u16, i16, u32, i32, u64, i64);

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;

    fn get(bytes: &[u8]) -> Self {
        let mut raw = [0; N];
        raw.copy_from_slice(&bytes[..N]);
        raw
    }

    fn put(self, bytes: &mut [u8]) {
        bytes[..N].copy_from_slice(&self);
    }
}

/// A structure with a fixed ABI layout.
pub trait Layout: Sized {
    /// Bytes it takes in user memory.
    const SIZE: usize;
    /// Reads it; `bytes` holds at least [`Layout::SIZE`].
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Its bytes in user memory.
    fn to_bytes(&self) -> alloc::vec::Vec<u8>;
}

/// Defines ABI structures. Padding is written out as a field, as the headers' own layout has it.
macro_rules! layout {
    ($(
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $kind:ty,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $kind,)*
        }

        impl $crate::linux::Layout for $name {
            const SIZE: usize = 0 $(+ <$kind as $crate::linux::layout::Field>::SIZE)*;

            fn from_bytes(bytes: &[u8]) -> Self {
                let mut at = 0;
                $(
                    let $field = <$kind as $crate::linux::layout::Field>::get(&bytes[at..]);
                    at += <$kind as $crate::linux::layout::Field>::SIZE;
                )*
                let _ = at;
                Self { $($field),* }
            }

            fn to_bytes(&self) -> alloc::vec::Vec<u8> {
                let mut bytes = alloc::vec![0; <Self as $crate::linux::Layout>::SIZE];
                let mut at = 0;
                $(
                    $crate::linux::layout::Field::put(self.$field, &mut bytes[at..]);
                    at += <$kind as $crate::linux::layout::Field>::SIZE;
                )*
                let _ = at;
                bytes
            }
        }
    )*};
}
