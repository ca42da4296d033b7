//! `pulse [BEATS]`: counts aloud, fifty times a second, to BEATS or for as long as it lives.

use std::process::ExitCode;
use std::time::Duration;

use guest_common::say;

/// Between two beats.
const REST: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    guest_common::fail_on_panic();
    let beats = std::env::args().nth(1).map_or(Ok(u64::MAX), |beats| beats.parse());
    let Ok(beats) = beats else {
        eprintln!("usage: pulse [BEATS]");
        return ExitCode::from(2);
    };
    for beat in 1..=beats {
        say(&beat.to_string());
        std::thread::sleep(REST);
    }
    ExitCode::SUCCESS
}
