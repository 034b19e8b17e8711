//! How many instructions small pieces of engine and cache take, by Valgrind: nearly the same in
//! every run, however busy the machine is. `cargo bench -p klg-lock-benchmarks --bench instructions`
//! compares with the run before, and fails where a piece takes five per cent more.
//!
//! It needs `valgrind`, and `cargo install gungraun-runner --version 0.20.0 --locked`.

use klg_lock_benchmarks::machine::has_program;

/// What is counted.
mod pieces {
    use std::hint::black_box;

    use gungraun::{
        Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group,
        main,
    };
    use klg_lock_benchmarks::scenes::Scene;

    fn scene() -> Option<Scene> {
        Scene::new().ok()
    }

    macro_rules! pieces {
        ($($piece:ident)+) => {
            $(
                #[library_benchmark]
                #[bench::memory(setup = scene)]
                fn $piece(scene: Option<Scene>) -> Option<Scene> {
                    if let Some(scene) = &scene {
                        let _ = black_box(scene.$piece());
                    }
                    // Given back, so that its end does not count.
                    scene
                }
            )+
            library_benchmark_group!(name = pieces, benchmarks = [$($piece),+]);
        };
    }

    pieces! {
        pair
        using
        two_keys
        refused
        queue
        hand_over
        hit_in_process
        hit_on_server
    }

    main!(
        config = LibraryBenchmarkConfig::default()
            .tool(Callgrind::default().soft_limits([(EventKind::Ir, 5.0)])),
        library_benchmark_groups = pieces
    );

    /// Counts.
    pub(crate) fn run() {
        main();
    }
}

fn main() {
    // Under Valgrind, which empties the environment, this is the piece itself.
    let counts = std::env::args().any(|word| word.starts_with("--gungraun-run"));
    for (program, hint) in [
        ("valgrind", "apt-get install valgrind"),
        (
            "gungraun-runner",
            "cargo install gungraun-runner --version 0.20.0 --locked",
        ),
    ] {
        if !counts && !has_program(program) && std::env::var_os("GUNGRAUN_RUNNER").is_none() {
            println!("instructions are not counted: there is no {program} ({hint})");
            return;
        }
    }
    pieces::run();
}
