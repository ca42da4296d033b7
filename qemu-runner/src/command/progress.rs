//! What takes long, said on standard error while it lasts, and only to a person.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// One line with a spinner; gone when dropped, and never there when nobody watches.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner();
        if io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(100));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let progress = Self(bar);
        progress.say(message);
        progress
    }

    /// What is being done now.
    pub(crate) fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }

    /// Prints a line above the spinner, or alone where there is none.
    pub(crate) fn line(&self, text: &str) {
        if self.0.is_hidden() {
            eprintln!("{text}");
        } else {
            self.0.println(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
