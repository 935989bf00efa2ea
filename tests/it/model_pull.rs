//! `foretype model pull` against a stand-in hub, with the faults that networks have.

use foretype_tests::hub::{Fault, Hub, Published};
use foretype_tests::{TestEnv, text};

const BYTES: usize = 3 << 20;

fn published() -> Published {
    let bytes: Vec<u8> = (0..BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Published { repository: "team/model".into(), file: "tiny-q4_k_m.gguf".into(), sha256: sha256(&bytes), bytes }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pull(env: &TestEnv, hub: &Hub) -> (bool, String, String) {
    let output = env.command(&["model", "pull", "team/model"]).env("HF_ENDPOINT", hub.endpoint()).output();
    text(&output.expect("the binary starts"))
}

fn pulled(env: &TestEnv) -> Option<Vec<u8>> {
    std::fs::read(env.path().join("data/foretype/models/tiny-q4_k_m.gguf")).ok()
}

#[test]
fn a_model_is_pulled_and_listed() {
    let (env, hub) = (TestEnv::new(), Hub::start(published(), Fault::None));
    let (ok, out, err) = pull(&env, &hub);
    assert!(ok, "{err}");
    assert!(out.contains("tiny-q4_k_m.gguf"), "{out}");
    assert_eq!(pulled(&env), Some(published().bytes));
    let (_, list, _) = text(&env.run(&["model", "list"]));
    assert!(list.contains("tiny-q4_k_m") && list.contains("qwen2.5-coder-7b"), "{list}");
}

#[test]
fn a_second_pull_fetches_nothing() {
    let (env, hub) = (TestEnv::new(), Hub::start(published(), Fault::None));
    assert!(pull(&env, &hub).0);
    let before = hub.requests().iter().filter(|path| path.contains("/cdn/")).count();
    assert!(pull(&env, &hub).0);
    assert_eq!(hub.requests().iter().filter(|path| path.contains("/cdn/")).count(), before);
}

#[test]
fn a_lost_connection_is_resumed_where_it_was_lost() {
    let (env, hub) = (TestEnv::new(), Hub::start(published(), Fault::CutFirst(2)));
    let (ok, _, err) = pull(&env, &hub);
    assert!(ok, "{err}");
    assert_eq!(pulled(&env), Some(published().bytes));
    assert!(hub.requests().iter().any(|request| request.contains("/cdn/") && request.ends_with('-')), "no range asked");
}

#[test]
fn a_pull_that_gives_up_is_continued_by_the_next() {
    let env = TestEnv::new();
    let (ok, _, err) = pull(&env, &Hub::start(published(), Fault::CutAfter(1000)));
    assert!(!ok && err.contains("run the same command to continue"), "{err}");
    assert_eq!(pulled(&env), None);
    let hub = Hub::start(published(), Fault::None);
    assert!(pull(&env, &hub).0);
    assert_eq!(pulled(&env), Some(published().bytes));
    assert!(hub.requests().iter().any(|request| request.ends_with('-')), "started again from the beginning");
}

#[test]
fn a_server_without_ranges_is_read_from_the_beginning() {
    let env = TestEnv::new();
    assert!(!pull(&env, &Hub::start(published(), Fault::CutAfter(1000))).0);
    assert!(pull(&env, &Hub::start(published(), Fault::NoRanges)).0);
    assert_eq!(pulled(&env), Some(published().bytes));
}

#[test]
fn wrong_bytes_are_thrown_away() {
    let (env, hub) = (TestEnv::new(), Hub::start(published(), Fault::WrongBytes));
    let (ok, _, err) = pull(&env, &hub);
    assert!(!ok && err.contains("SHA-256"), "{err}");
    assert_eq!(pulled(&env), None);
    let left = std::fs::read_dir(env.path().join("data/foretype/models")).expect("the folder was made").count();
    assert_eq!(left, 0, "a file with wrong bytes stayed behind");
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let (env, hub) = (TestEnv::new(), Hub::start(published(), Fault::None));
    let output = env.command(&["model", "pull", "no/such"]).env("HF_ENDPOINT", hub.endpoint()).output();
    let (ok, _, err) = text(&output.expect("the binary starts"));
    assert!(!ok && err.contains("no/such") && err.contains("404"), "{err}");
}

#[test]
fn an_unreachable_hub_says_what_to_check() {
    let env = TestEnv::new();
    let output = env.command(&["model", "pull", "team/model"]).env("HF_ENDPOINT", "http://127.0.0.1:9").output();
    let (ok, _, err) = text(&output.expect("the binary starts"));
    assert!(!ok && err.contains("HF_ENDPOINT") && err.contains("network"), "{err}");
}

#[test]
fn an_address_that_is_none_is_named_as_the_fault() {
    let env = TestEnv::new();
    for endpoint in ["hub", "huggingface.co", "ftp://hub.example", "https://"] {
        let output = env.command(&["model", "pull", "team/model"]).env("HF_ENDPOINT", endpoint).output();
        let (ok, _, err) = text(&output.expect("the binary starts"));
        assert!(!ok && err.contains(&format!("HF_ENDPOINT is {endpoint:?}")), "{endpoint}: {err}");
    }
}

#[test]
fn a_model_of_the_catalogue_that_is_there_needs_no_network() {
    let env = TestEnv::new();
    let file = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf";
    let place = env.write(&format!("data/foretype/models/{file}"), "GGUF");
    let pull = |name: &str| {
        let output = env.command(&["model", "pull", name]).env("HF_ENDPOINT", "http://127.0.0.1:9").output();
        text(&output.expect("the binary starts"))
    };
    let (ok, out, err) = pull("qwen2.5-coder-1.5b-instruct");
    assert!(ok && out.contains(&*place.to_string_lossy()), "{out}{err}");
    env.write("data/foretype/models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "other bytes than those published");
    assert!(!pull("qwen2.5-coder-0.5b-instruct").0, "a file whose hash is known has to have it");
}
