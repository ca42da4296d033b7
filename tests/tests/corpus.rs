//! The corpus on the host's Linux: every script does the same each time.

use wayfarer_tests::corpus::{Observation, Script, scripts};

fn run(script: &Script) -> Observation {
    script.run_natively().unwrap_or_else(|error| panic!("{}: {error}", script.name))
}

#[test]
fn the_corpus_is_deterministic_on_the_hosts_linux() {
    let scripts = scripts().unwrap();
    assert!(scripts.len() >= 60, "{} scripts", scripts.len());
    std::thread::scope(|scope| {
        for half in [&scripts[..scripts.len() / 2], &scripts[scripts.len() / 2..]] {
            scope.spawn(move || {
                for script in half {
                    let first = run(script);
                    assert_eq!(first, run(script), "{}", script.name);
                    assert!(!first.stdout.is_empty(), "{} says nothing", script.name);
                    assert!(first.files.starts_with("755 directory '.'\n"), "{}", first.files);
                    assert!(first.stderr.len() < 2000, "{}: {}", script.name, first.stderr);
                }
            });
        }
    });
}
