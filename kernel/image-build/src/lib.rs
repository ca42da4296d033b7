//! Build-script support for Wayfarer kernel images.
//!
//! A package whose binary is a microVM image has a `build.rs` of one line:
//!
//! ```no_run
//! fn main() -> std::io::Result<()> {
//!     wayfarer_image_build::configure()
//! }
//! ```
//!
//! Link arguments of a build script reach only the binaries of its own package, which is what we
//! want: the same workspace still builds host programs and host tests, with no rustflags anywhere.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::{env, fs, io};

/// The memory layout of an image: see the comments in the script itself.
const LINKER_SCRIPT: &str = include_str!("image.ld");

/// The arguments every image is linked with: no C runtime, no libraries, fixed addresses.
const ARGUMENTS: [&str; 9] = [
    "-nostartfiles",
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,--build-id=none",
    "-Wl,-z,max-page-size=0x1000",
    "-Wl,-z,noexecstack",
    "-Wl,--no-relax",
    // Of functions with the same code, one stays: of lld, which is Rust's own linker here.
    "-Wl,--icf=all",
];

/// Makes Cargo link every binary of the calling package as a microVM image.
///
/// Writes the linker script to `OUT_DIR` and prints the `cargo:rustc-link-arg-bins` lines.
///
/// # Errors
///
/// When `OUT_DIR` is not set (the caller is not a build script) or cannot be written.
pub fn configure() -> io::Result<()> {
    let folder = env::var_os("OUT_DIR")
        .ok_or_else(|| io::Error::other("configure() must be called from a build script"))?;
    let script = PathBuf::from(folder).join("wayfarer-image.ld");
    fs::write(&script, LINKER_SCRIPT)?;
    for argument in ARGUMENTS {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    // Without this line Cargo would rerun the script at every change of any file of the package.
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
