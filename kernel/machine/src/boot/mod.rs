//! From the loader's entry to `main`: what the machine is made of, in the order it is needed.

pub(crate) mod pvh;
pub(crate) mod regions;
mod set_aside;
mod stacks;
pub(crate) mod start;

/// Where the linker put the parts of the image: virtual addresses, each on a page boundary.
#[derive(Clone, Copy, Debug)]
pub struct ImageLayout {
    /// Where the image, and its text, begins.
    pub start: u64,
    /// Where the text ends and the constants begin.
    pub text_end: u64,
    /// Where the constants end and the data begins.
    pub rodata_end: u64,
    /// Where the data, and the image, ends.
    pub end: u64,
}
