//! The command line explains itself, and names the culprit.

use std::process::{Command, Output};

use vigie_e2e::stand::{Profile, vigie};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(vigie(Profile::Debug).unwrap());
    for variable in ["DATABASE_URL", "DATABASE_URL_FILE", "VIGIE_CONFIG", "VIGIE_LOG"] {
        command.env_remove(variable);
    }
    // Somewhere without a demo.
    command.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

#[test]
fn every_command_has_help() {
    let all = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let commands = all.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    for promised in ["demo", "serve", "migrate", "ca", "device", "user", "sim", "healthcheck", "config"] {
        assert!(commands.contains(&promised), "{promised} is missing among {commands:?}");
    }
    let below = [
        &["device", "enrol"][..],
        &["device", "claim"],
        &["device", "revoke"],
        &["ca", "init"],
        &["user", "add"],
        &["config", "check"],
    ];
    let paths = commands.iter().map(|command| vec![*command]).chain(below.map(<[&str]>::to_vec));
    for mut path in paths.filter(|path| path != &["help"]) {
        path.push("--help");
        let output = run(&path);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{path:?}");
        assert!(text.contains("Usage: vigie"), "{path:?}: {text}");
        assert!(output.stderr.is_empty(), "{path:?}");
    }
}

#[test]
fn bad_usage_exits_64_and_names_the_culprit_in_one_sentence() {
    for (arguments, culprit) in [
        (&["dmeo"][..], "dmeo"),
        (&["demo", "--patients", "many"], "many"),
        (&["demo", "--patients", "0"], "--patients"),
        (&["demo", "--past-days", "71"], "--past-days"),
        (&["demo", "--speed", "0.5"], "--speed 0.5"),
        (&["demo", "--speed", "-1"], "-1"),
        (&["demo", "--http", "0.0.0.0:8080"], "0.0.0.0:8080"),
        (&["demo", "--http", "nowhere"], "nowhere"),
        (&["demo", "--data-dir", "/proc/vigie"], "/proc/vigie"),
        (&["serve"], "DATABASE_URL"),
        (&["serve", "--roles", "gateway,bakery"], "bakery"),
        (&["migrate", "--data-dir", "no-such-folder"], "no-such-folder"),
        (&["device"], "vigie device"),
        (&["device", "enrol"], "--patient"),
        (&["device", "enrol", "--patient", "7", "--kind", "glucometer"], "7"),
        (
            &["device", "enrol", "--patient", "01890000-0000-7000-8000-000000000000", "--kind", "toaster"],
            "toaster",
        ),
        (&["device", "claim"], "--patient"),
        (&["device", "revoke"], "--device"),
        (&["ca", "server", "--ca-dir", "no-such-folder", "--name", "a.example"], "no-such-folder"),
        (&["ca", "server", "--name", "a.example"], ".vigie/ca"),
        (&["user", "add", "--login", "x", "--role", "king"], "king"),
        (&["config", "check"], "DATABASE_URL"),
        (&["sim", "--mqtt", "nowhere", "--manifest", "no-such-file"], "no-such-file"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        println!("{arguments:?}: {}", text.lines().next().unwrap_or_default());
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {text}");
        assert!(text.lines().any(|line| line.contains(culprit)), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(!text.contains("panicked"), "{text}");
    }
}
