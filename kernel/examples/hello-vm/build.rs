//! Gives the image its linker arguments and script.

fn main() -> std::io::Result<()> {
    wayfarer_image_build::configure()
}
