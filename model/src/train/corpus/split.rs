//! Which files are learned from and which are held out to measure with.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use siphasher::sip::SipHasher13;

use super::error::CorpusError;
use super::source::Source;
use super::{Options, SourceFile};

/// The part that a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Learned from.
    Training,
    /// Never seen in training.
    HeldOut,
}

/// How the held-out files are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// By a hash of seed, repository and path: a file stays in its part, whatever other files come and go.
    File,
    /// By commit time, in each repository: those are held out that were touched last, as a model in use meets code that is
    /// newer than its own. Files that were added and not committed yet are the newest.
    Time,
}

pub(super) fn check(share: f64) -> Result<(), CorpusError> {
    if (0.0..1.0).contains(&share) { Ok(()) } else { Err(CorpusError::Share(share)) }
}

/// Only git knows times.
pub(super) fn check_times(sources: &[Source]) -> Result<(), CorpusError> {
    match sources.iter().find(|source| !source.git) {
        Some(source) => Err(CorpusError::NoTimes { folder: source.folder.clone() }),
        None => Ok(()),
    }
}

/// Puts each file into its part.
pub(super) fn assign(files: &mut [SourceFile], options: &Options) {
    match options.split_by {
        SplitBy::File => by_file(files, options),
        SplitBy::Time => by_time(files, options),
    }
}

fn by_file(files: &mut [SourceFile], options: &Options) {
    for file in files {
        let held_out = place(options.seed, file) < options.held_out;
        file.split = if held_out { Split::HeldOut } else { Split::Training };
    }
}

/// The place of a file in 0..1, which nothing but the file and the seed decides.
fn place(seed: u64, file: &SourceFile) -> f64 {
    let name = [file.repository.as_bytes(), b"\0", file.path.as_bytes()].concat();
    (SipHasher13::new_with_keys(seed, 0).hash(&name) >> 11) as f64 / (1u64 << 53) as f64
}

fn by_time(files: &mut [SourceFile], options: &Options) {
    let mut repositories: BTreeMap<String, Vec<&mut SourceFile>> = BTreeMap::new();
    for file in files {
        repositories.entry(file.repository.clone()).or_default().push(file);
    }
    for mut files in repositories.into_values() {
        // Of files of one commit the hash decides.
        files.sort_by(|a, b| {
            let age = |file: &SourceFile| Reverse(file.committed.unwrap_or(i64::MAX));
            age(a).cmp(&age(b)).then(place(options.seed, a).total_cmp(&place(options.seed, b)))
        });
        let wanted = (options.held_out * files.len() as f64).ceil() as usize;
        let held_out = wanted.min(files.len().saturating_sub(1));
        for (rank, file) in files.into_iter().enumerate() {
            file.split = if rank < held_out { Split::HeldOut } else { Split::Training };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    fn files(count: usize) -> Vec<SourceFile> {
        (0..count).map(|number| file(&format!("src/file_{number}.rs"), "x")).collect()
    }

    fn held_out(mut files: Vec<SourceFile>, options: &Options) -> Vec<String> {
        assign(&mut files, options);
        files.into_iter().filter(|file| file.split == Split::HeldOut).map(|file| file.path).collect()
    }

    #[test]
    fn a_new_file_moves_no_other() {
        let options = Options { held_out: 0.2, ..Options::default() };
        let (few, many) = (held_out(files(100), &options), held_out(files(200), &options));
        let of_few: Vec<_> = many.into_iter().filter(|path| files(100).iter().any(|file| file.path == *path)).collect();
        assert_eq!(few, of_few);
        assert_eq!(
            held_out(files(8), &options),
            ["src/file_2.rs", "src/file_3.rs", "src/file_4.rs"],
            "the same in every release"
        );
    }

    #[test]
    fn about_the_share_is_held_out_and_the_seed_decides_which() {
        let with = |seed| held_out(files(2000), &Options { seed, ..Options::default() });
        assert!((60..140).contains(&with(1).len()), "{}", with(1).len());
        assert_ne!(with(1), with(2));
        assert!(held_out(files(100), &Options { held_out: 0.0, ..Options::default() }).is_empty());
    }

    #[test]
    fn the_newest_of_each_repository_are_held_out() {
        let options = Options { held_out: 0.25, split_by: SplitBy::Time, ..Options::default() };
        let mut files = files(8);
        for (age, file) in files.iter_mut().enumerate() {
            file.committed = Some(1000 - age as i64);
            file.repository = if age < 4 { "new".into() } else { "old".into() };
        }
        files[7].committed = None;
        assert_eq!(held_out(files, &options), ["src/file_0.rs", "src/file_7.rs"]);
    }

    #[test]
    fn a_split_by_time_leaves_something_to_learn_from() {
        let options = Options { held_out: 0.99, split_by: SplitBy::Time, ..Options::default() };
        assert_eq!(held_out(files(3), &options).len(), 2);
        assert!(held_out(files(1), &options).is_empty());
    }

    #[test]
    fn a_share_is_less_than_one_and_a_number() {
        assert!(check(0.0).is_ok() && check(0.5).is_ok());
        assert!([1.0, -0.1, f64::NAN].into_iter().all(|share| check(share).is_err()));
    }
}
