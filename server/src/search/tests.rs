//! Tests of search results, updates and the recovery from damage.

use std::cell::Cell;
use std::path::PathBuf;

use foretype_plugins::tasks::ask::search_terms;

use super::*;

/// Workspace and index in a temporary folder.
struct IndexedFolder {
    folder: tempfile::TempDir,
}

impl IndexedFolder {
    fn new(files: &[(&str, &str)]) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for (name, text) in files {
            world.write(name, text);
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().expect("a folder")).expect("writable");
        std::fs::write(self.path(name), text).expect("writable");
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn search(&self) -> SearchIndex {
        SearchIndex::in_folder(Some(self.cache()))
    }

    /// Updates the index with all files of the folder.
    fn refresh(&self, search: &SearchIndex) -> IndexChanges {
        search.refresh(self.files(), &|_| true).expect("an index")
    }

    fn files(&self) -> std::vec::IntoIter<(String, PathBuf)> {
        let entries = std::fs::read_dir(self.path("")).expect("the folder").flatten();
        let file = |entry: std::fs::DirEntry| (entry.file_name().to_string_lossy().into_owned(), entry.path());
        let mut files: Vec<_> = entries.map(file).collect();
        files.sort();
        files.into_iter()
    }
}

fn places(search: &SearchIndex, words: &str) -> Vec<String> {
    let found = search.find(&search_terms(words, ""), 10);
    found.into_iter().map(|it| format!("{}:{}-{}", it.path, it.first_line, it.last_line)).collect()
}

fn changes(indexed: usize, removed: usize) -> IndexChanges {
    IndexChanges { indexed, removed, is_stale: false }
}

#[test]
fn a_definition_is_found_by_the_words_of_its_name_and_ranks_before_mentions() {
    let filler = "    # nothing of interest stands in this long line, nor in the next one\n".repeat(9);
    let world = IndexedFolder::new(&[
        ("a.py", &format!("def sums():\n{filler}    return retry_delay\n")),
        ("b.py", &format!("import os\n\ndef retryDelay(x):\n{filler}    return x\n")),
        ("c.py", "print(1)\n"),
    ]);
    let search = world.search();
    assert!(places(&search, "retry").is_empty(), "nothing is indexed yet");
    assert_eq!(world.refresh(&search), changes(3, 0));
    assert_eq!(places(&search, "Where is the delay of a retry?"), ["b.py:3-13", "a.py:1-11"]);
    assert!(places(&search, "elephant").is_empty());
    let found = search.find(&search_terms("retryDelay", ""), 1);
    let text = std::fs::read_to_string(world.path("b.py")).expect("it is there");
    assert!(found[0].text(&text).is_some_and(|text| text.contains("def retryDelay")));
    assert_eq!(found[0].text(&text.replace("import os", "import os, re")), None, "another text stands there");
}

#[test]
fn an_update_reads_changed_files_and_other_processes_find_them() {
    let world = IndexedFolder::new(&[("a.py", "alpha = 1\n"), ("b.py", "beta = 1\n")]);
    let (search, other) = (world.search(), world.search());
    assert_eq!(world.refresh(&search), changes(2, 0));
    assert_eq!(world.refresh(&search), changes(0, 0));
    assert_eq!(places(&other, "beta"), ["b.py:1-1"]);
    world.write("a.py", "alpha = 2\ngamma = 3\n");
    std::fs::remove_file(world.path("b.py")).expect("it is there");
    assert_eq!(world.refresh(&search), changes(1, 1));
    assert_eq!((places(&other, "gamma"), places(&other, "beta")), (vec!["a.py:1-2".to_owned()], vec![]));
    world.write("c.py", "delta = 1\n");
    let touched = vec![("c.py".to_owned(), Some(world.path("c.py"))), ("a.py".to_owned(), None)];
    assert_eq!(search.update_files(touched).expect("an index"), changes(1, 1));
    assert_eq!((places(&search, "delta"), places(&search, "alpha")), (vec!["c.py:1-1".to_owned()], vec![]));
}

#[test]
fn a_change_during_an_update_is_read_by_that_update_or_the_next() {
    let world = IndexedFolder::new(&[("a.py", "alpha = 1\n"), ("b.py", "beta = 1\n")]);
    let (search, other) = (world.search(), world.search());
    let touch = |search: &SearchIndex, name: &str, text: &str| {
        world.write(name, text);
        search.update_files(vec![(name.to_owned(), Some(world.path(name)))]).expect("an index")
    };
    // In the middle of an update, by the same process and by another one.
    let last = Cell::new(0);
    let during = |_| {
        last.set(last.get() + 1);
        if last.get() == 2 {
            assert_eq!(touch(&search, "a.py", "gamma = 1\n"), changes(0, 0));
            other.refresh(std::iter::empty(), &|_| true).expect("an index");
            assert!(touch(&other, "c.py", "delta = 1\n").is_stale);
        }
        true
    };
    assert_eq!(search.refresh(world.files(), &during).expect("an index"), changes(2, 0));
    assert_eq!((places(&search, "gamma"), places(&search, "alpha")), (vec!["a.py:1-1".to_owned()], vec![]));
    assert!(places(&other, "delta").is_empty());
    assert_eq!(touch(&other, "b.py", "beta = 2\n"), changes(2, 0));
    assert_eq!(places(&search, "delta"), ["c.py:1-1"]);
}

#[test]
fn secrets_and_generated_files_are_not_indexed() {
    let secret = format!("omega = '{}{}'\n", "ghp_", "x".repeat(36));
    let world = IndexedFolder::new(&[
        ("a.py", &secret),
        (".env", "OMEGA=1\n"),
        ("b.lock", "omega\n"),
        ("c.js", &format!("omega;{}", "x;".repeat(3000))),
        ("d.txt", "omega\n"),
    ]);
    let search = world.search();
    assert_eq!(world.refresh(&search).indexed, 1);
    assert_eq!(places(&search, "omega"), ["d.txt:1-1"]);
    world.write("d.txt", &secret);
    world.refresh(&search);
    assert!(places(&search, "omega").is_empty());
}

#[test]
fn a_stopped_update_keeps_its_progress() {
    let world = IndexedFolder::new(&[("a.py", "alpha = 1\n"), ("b.py", "alpha = 2\n"), ("c.py", "alpha = 3\n")]);
    let search = world.search();
    let last = Cell::new(IndexProgress::default());
    let goes_on = |progress| {
        last.set(progress);
        progress.done < 2
    };
    let stopped = search.refresh(world.files(), &goes_on).expect("an index");
    assert_eq!(
        (stopped, last.get()),
        (IndexChanges { is_stale: true, ..changes(2, 0) }, IndexProgress { done: 2, total: 3 })
    );
    assert_eq!(places(&search, "alpha").len(), 2);
    assert_eq!(world.refresh(&search), changes(1, 0));
}

#[test]
fn a_damaged_index_is_rebuilt() {
    let world = IndexedFolder::new(&[("a.py", "alpha = 1\n")]);
    world.refresh(&world.search());
    let files = || std::fs::read_dir(world.cache()).expect("the index").flatten().map(|entry| entry.path());
    // File names differ each time, but extensions do not.
    let kind = |path: &PathBuf| path.extension().map(|ending| ending.to_owned());
    let kinds: Vec<_> =
        files().map(|path| kind(&path)).filter(|kind| kind.as_ref().is_some_and(|it| it != "lock")).collect();
    assert!(kinds.len() > 5, "{kinds:?}");
    for (number, wanted) in kinds.iter().enumerate() {
        let mut same: Vec<PathBuf> = files().filter(|path| kind(path) == *wanted).collect();
        same.sort();
        let name = &same[number % same.len()];
        std::fs::write(name, "damaged").expect("writable");
        let search = world.search();
        // Either the rest is unusable, or it does not need that file.
        let found = places(&search, "alpha").len();
        let indexed = world.refresh(&search).indexed;
        assert_eq!(found + indexed, 1, "{name:?}");
        assert_eq!(places(&search, "alpha"), ["a.py:1-1"], "{name:?}");
    }
}

#[test]
fn without_a_folder_nothing_is_found_and_nothing_fails() {
    let world = IndexedFolder::new(&[("a.py", "alpha = 1\n")]);
    let search = SearchIndex::in_folder(None);
    assert_eq!(world.refresh(&search), IndexChanges::default());
    assert!(places(&search, "alpha").is_empty() && !search.claim_first_update());
}
