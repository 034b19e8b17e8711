//! Every method of the store, on a real server and in memory: same answers, and never a key on the
//! wire without the prefix.

mod channels;
mod collections;
mod keys;
mod pipelines;
mod scripts;
mod sorted_sets;
mod strings;
mod values;

use std::time::Duration;

use klg_lock::{ClientConfig, Store};
use klg_lock_tests::Server;

const PREFIX: &str = "walk[1]*:";
const MINUTE: Duration = Duration::from_secs(60);

async fn store(uri: &str) -> Store {
    let config = ClientConfig::default().uri(uri).prefix(PREFIX);
    Store::connect(&config).await.unwrap()
}

/// Runs a walk on both kinds of server; what is sent to the real one is checked for the prefix.
async fn on_both<F: Future<Output = ()>>(walk: impl Fn(Store) -> F) {
    walk(store("memory://").await).await;
    let server = Server::start();
    let store = store(&server.uri()).await;
    let monitor = server.monitor();
    walk(store).await;
    every_key_has_the_prefix(&server, &monitor.stop());
}

fn every_key_has_the_prefix(server: &Server, commands: &[String]) {
    let mut keys_seen = 0;
    for command in commands {
        let from_script = command.strip_prefix("lua ");
        let words = words(from_script.unwrap_or(command));
        let Some(name) = words.first().map(|word| word.to_ascii_uppercase()) else {
            panic!("no words in {command}");
        };
        let keys: Vec<String> = match name.as_str() {
            // Named by no key, and prefixed all the same.
            "PUBLISH" | "SUBSCRIBE" => vec![words[1].clone()],
            "PSUBSCRIBE" => vec![unescaped(&words[1])],
            "SCAN" => vec![unescaped(&words[3])],
            "HELLO" | "CLIENT" | "PING" | "MULTI" | "EXEC" | "INFO" | "ROLE" | "SELECT"
            | "DBSIZE" => continue,
            _ => {
                let mut ask = vec!["COMMAND", "GETKEYS"];
                ask.extend(words.iter().map(String::as_str));
                server.control().ask(&ask)
            }
        };
        for key in keys {
            assert!(
                key.starts_with(PREFIX),
                "{key:?} left without the prefix: {command}"
            );
            assert!(!key[PREFIX.len()..].starts_with(PREFIX), "twice: {command}");
            keys_seen += 1;
        }
    }
    assert!(keys_seen > 0, "nothing was recorded: {commands:?}");
}

/// A recorded command's words, each of which is in quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = command.chars();
    while chars.any(|char| char == '"') {
        let mut word = String::new();
        loop {
            match chars.next().expect("a closing quote") {
                '"' => break,
                '\\' => match chars.next().expect("an escaped character") {
                    'n' => word.push('\n'),
                    'r' => word.push('\r'),
                    't' => word.push('\t'),
                    'x' => {
                        // Of values, which are not looked at.
                        chars.nth(1);
                        word.push('?');
                    }
                    other => word.push(other),
                },
                other => word.push(other),
            }
        }
        words.push(word);
    }
    words
}

/// A pattern as the text it begins with.
fn unescaped(pattern: &str) -> String {
    pattern.replace('\\', "")
}

#[test]
fn every_method_is_walked_here() {
    let walks = [
        include_str!("channels.rs"),
        include_str!("collections.rs"),
        include_str!("keys.rs"),
        include_str!("sorted_sets.rs"),
        include_str!("strings.rs"),
        include_str!("values.rs"),
    ];
    let definitions = [
        include_str!("../../klg-lock/src/store/commands/hashes.rs"),
        include_str!("../../klg-lock/src/store/commands/keys.rs"),
        include_str!("../../klg-lock/src/store/commands/lists.rs"),
        include_str!("../../klg-lock/src/store/commands/sets.rs"),
        include_str!("../../klg-lock/src/store/commands/sorted_sets.rs"),
        include_str!("../../klg-lock/src/store/commands/strings.rs"),
    ];
    let mut methods = 0;
    for source in definitions {
        let (_, table) = source
            .split_once("commands! {")
            .expect("a table of commands");
        for line in table
            .lines()
            .filter_map(|line| line.trim().strip_prefix("fn "))
        {
            let name = line.split(['(', '[']).next().expect("a name");
            let called = [format!(".{name}("), format!(".{name}::<")];
            assert!(
                walks
                    .iter()
                    .any(|walk| called.iter().any(|call| walk.contains(call))),
                "{name} is not walked"
            );
            methods += 1;
        }
    }
    assert!(methods > 70, "{methods}");
}
