//! Splits the corpus into training files and held-out files.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use siphasher::sip::SipHasher13;

use super::error::CorpusError;
use super::options::{CorpusOptions, SplitBy};
use super::source::CorpusSource;
use super::source_file::{SourceFile, Split};

/// Checks that the held-out share is a valid fraction.
pub(super) fn check_share(share: f64) -> Result<(), CorpusError> {
    if (0.0..1.0).contains(&share) { Ok(()) } else { Err(CorpusError::Share(share)) }
}

/// Checks that all sources have commit times, which only git knows.
pub(super) fn check_times(sources: &[CorpusSource]) -> Result<(), CorpusError> {
    match sources.iter().find(|source| !source.git) {
        Some(source) => Err(CorpusError::NoTimes { folder: source.folder.clone() }),
        None => Ok(()),
    }
}

/// Assigns each file to its part.
pub(super) fn assign(files: &mut [SourceFile], options: &CorpusOptions) {
    match options.split_by {
        SplitBy::File => by_file(files, options),
        SplitBy::Time => by_time(files, options),
    }
}

fn by_file(files: &mut [SourceFile], options: &CorpusOptions) {
    for file in files {
        let held_out = hash_fraction(options.seed, file) < options.held_out;
        file.split = if held_out { Split::HeldOut } else { Split::Training };
    }
}

/// A number in 0..1 that depends only on the file's name and the seed.
fn hash_fraction(seed: u64, file: &SourceFile) -> f64 {
    let name = [file.repository.as_bytes(), b"\0", file.path.as_bytes()].concat();
    (SipHasher13::new_with_keys(seed, 0).hash(&name) >> 11) as f64 / (1u64 << 53) as f64
}

fn by_time(files: &mut [SourceFile], options: &CorpusOptions) {
    let mut repositories: BTreeMap<String, Vec<&mut SourceFile>> = BTreeMap::new();
    for file in files {
        repositories.entry(file.repository.clone()).or_default().push(file);
    }
    for mut files in repositories.into_values() {
        // The hash decides between files of the same commit.
        files.sort_by(|a, b| {
            let age = |file: &SourceFile| Reverse(file.committed.unwrap_or(i64::MAX));
            age(a).cmp(&age(b)).then(hash_fraction(options.seed, a).total_cmp(&hash_fraction(options.seed, b)))
        });
        let target = (options.held_out * files.len() as f64).ceil() as usize;
        let held_out = target.min(files.len().saturating_sub(1));
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

    fn held_out(mut files: Vec<SourceFile>, options: &CorpusOptions) -> Vec<String> {
        assign(&mut files, options);
        files.into_iter().filter(|file| file.split == Split::HeldOut).map(|file| file.path).collect()
    }

    #[test]
    fn a_new_file_does_not_move_others() {
        let options = CorpusOptions { held_out: 0.2, ..CorpusOptions::default() };
        let (few, many) = (held_out(files(100), &options), held_out(files(200), &options));
        let of_few: Vec<_> = many.into_iter().filter(|path| files(100).iter().any(|file| file.path == *path)).collect();
        assert_eq!(few, of_few);
        assert_eq!(
            held_out(files(8), &options),
            ["src/file_2.rs", "src/file_3.rs", "src/file_4.rs"],
            "the split must not change between releases"
        );
    }

    #[test]
    fn the_requested_share_is_held_out_and_the_seed_decides_which_files() {
        let with = |seed| held_out(files(2000), &CorpusOptions { seed, ..CorpusOptions::default() });
        assert!((60..140).contains(&with(1).len()), "{}", with(1).len());
        assert_ne!(with(1), with(2));
        assert!(held_out(files(100), &CorpusOptions { held_out: 0.0, ..CorpusOptions::default() }).is_empty());
    }

    #[test]
    fn the_newest_files_of_each_repository_are_held_out() {
        let options = CorpusOptions { held_out: 0.25, split_by: SplitBy::Time, ..CorpusOptions::default() };
        let mut files = files(8);
        for (age, file) in files.iter_mut().enumerate() {
            file.committed = Some(1000 - age as i64);
            file.repository = if age < 4 { "new".into() } else { "old".into() };
        }
        files[7].committed = None;
        assert_eq!(held_out(files, &options), ["src/file_0.rs", "src/file_7.rs"]);
    }

    #[test]
    fn a_split_by_time_leaves_training_files() {
        let options = CorpusOptions { held_out: 0.99, split_by: SplitBy::Time, ..CorpusOptions::default() };
        assert_eq!(held_out(files(3), &options).len(), 2);
        assert!(held_out(files(1), &options).is_empty());
    }

    #[test]
    fn a_share_is_a_number_below_one() {
        assert!(check_share(0.0).is_ok() && check_share(0.5).is_ok());
        assert!([1.0, -0.1, f64::NAN].into_iter().all(|share| check_share(share).is_err()));
    }
}
