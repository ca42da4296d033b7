//! Every ordinary call on files, and the error numbers of the wrong ones, against the manual pages.

mod descriptors;
mod directories;
mod io;
mod links;
mod metadata;

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_common::run(&[
        ("open_flags", io::open_flags),
        ("reading_and_writing", io::reading_and_writing),
        ("positioned", io::positioned),
        ("vectors", io::vectors),
        ("seeking", io::seeking),
        ("holes", io::holes),
        ("appending", io::appending),
        ("truncating", io::truncating),
        ("wrong_way", io::wrong_way),
        ("many_sizes", io::many_sizes),
        ("send_file", io::send_file),
        ("special_files", io::special_files),
        ("syncing", io::syncing),
        ("duplicates_share", descriptors::duplicates_share),
        ("duplicate_to_a_number", descriptors::duplicate_to_a_number),
        ("lowest_number", descriptors::lowest_number),
        ("descriptor_flags", descriptors::descriptor_flags),
        ("status_flags", descriptors::status_flags),
        ("closed_descriptor", descriptors::closed_descriptor),
        ("too_many_descriptors", descriptors::too_many),
        ("close_a_range", descriptors::close_a_range),
        ("locks", descriptors::locks),
        ("making_and_removing", directories::making_and_removing),
        ("listing", directories::listing),
        ("listing_a_large_one", directories::listing_a_large_one),
        ("listing_again", directories::listing_again),
        ("working_directory", directories::working_directory),
        ("relative_to_a_descriptor", directories::relative_to_a_descriptor),
        ("path_lookup", directories::path_lookup),
        ("removed_working_directory", directories::removed_working_directory),
        ("renaming_files", links::renaming_files),
        ("renaming_directories", links::renaming_directories),
        ("rename_flags", links::rename_flags),
        ("hard_links", links::hard_links),
        ("symbolic_links", links::symbolic_links),
        ("link_loops", links::loops),
        ("removed_but_open", links::removed_but_open),
        ("status", metadata::status),
        ("modes", metadata::modes),
        ("access", metadata::access),
        ("times", metadata::times),
        ("new_file_modes", metadata::new_file_modes),
        ("special_nodes", metadata::special_nodes),
        ("file_system", metadata::file_system),
        ("owners", metadata::owners),
    ])
}

/// A directory of its own for one case, removed at its end.
struct Place(&'static str);

impl Place {
    /// Makes it, and files of these names and contents inside.
    fn new(name: &'static str, files: &[(&str, &str)]) -> Self {
        std::fs::create_dir(name).unwrap();
        let place = Self(name);
        for (file, content) in files {
            std::fs::write(place.at(file), content).unwrap();
        }
        place
    }

    /// The path of a file inside.
    fn at(&self, file: &str) -> String {
        format!("{}/{file}", self.0)
    }

    /// What is inside, sorted.
    fn list(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(self.0).unwrap();
    }
}
