//! Shell commands of a code block, split into words as far as documentation needs it.

/// A simple command: program and arguments, without assignments, redirections and operators.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SimpleCommand {
    /// Line of the text on which it begins, from 0.
    pub(super) line: usize,
    pub(super) words: Vec<String>,
}

/// Words before a command that are not part of it.
const PREFIXES: [&str; 9] = ["do", "then", "else", "time", "nice", "sudo", "env", "exec", "!"];

/// Splits a script into its simple commands. A command substitution is one opaque word.
pub(super) fn commands(script: &str) -> Vec<SimpleCommand> {
    let mut splitter = Splitter { rest: script.chars().collect(), ..Splitter::default() };
    splitter.rest.reverse();
    splitter.run();
    splitter.commands
}

/// Returns the commands of a transcript: its lines after a `$ ` prompt, with their continuation lines.
pub(super) fn commands_of_transcript(transcript: &str) -> Vec<SimpleCommand> {
    let mut script = String::new();
    let mut continues = false;
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ ").or(continues.then_some(line)) {
            script.push_str(command);
            continues = command.ends_with('\\');
        }
        script.push('\n');
    }
    commands(&script)
}

#[derive(Default)]
struct Splitter {
    /// Characters that are not read yet, last first.
    rest: Vec<char>,
    line: usize,
    /// The word being read; `None` between words.
    word: Option<String>,
    /// True if the next word is the target of a redirection.
    redirects: bool,
    words: Vec<String>,
    first_line: usize,
    commands: Vec<SimpleCommand>,
}

impl Splitter {
    fn run(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '\'' | '"' => self.quoted(c),
                '#' if self.word.is_none() => {
                    while self.rest.last().is_some_and(|c| *c != '\n') {
                        self.next();
                    }
                }
                '$' if self.rest.last() == Some(&'(') => self.substitution(),
                '|' | '&' | ';' | '\n' if !self.is_inside_a_placeholder() => self.end_command(),
                '>' if !self.is_inside_a_placeholder() => self.redirect(),
                '<' if self.rest.last().is_some_and(|c| c.is_whitespace()) => self.redirect(),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.pop();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn push(&mut self, c: char) {
        if self.words.is_empty() && self.word.is_none() {
            self.first_line = self.line;
        }
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self, quote: char) {
        self.word.get_or_insert_default();
        while let Some(c) = self.next().filter(|c| *c != quote) {
            self.push(c);
        }
    }

    /// Reads `$(…)` as it stands.
    fn substitution(&mut self) {
        self.push('$');
        let mut depth = 0;
        while let Some(c) = self.next() {
            self.push(c);
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth == 0 {
                return;
            }
        }
    }

    /// True inside `<FILE>` and `[NAME|FILE]`, where operators are no operators.
    fn is_inside_a_placeholder(&self) -> bool {
        self.word.as_deref().is_some_and(|word| word.starts_with(['<', '[']))
    }

    fn redirect(&mut self) {
        // A number before it is the file descriptor: `2>errors`.
        if self.word.as_deref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        while self.rest.last().is_some_and(|c| matches!(c, '>' | '&')) {
            self.next();
        }
        self.redirects = true;
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            let is_prefix = self.words.is_empty() && (PREFIXES.contains(&word.as_str()) || is_assignment(&word));
            if !std::mem::take(&mut self.redirects) && !is_prefix {
                self.words.push(word);
            }
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirects = false;
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.commands.push(SimpleCommand { line: self.first_line, words });
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::{SimpleCommand, commands, commands_of_transcript};

    fn words(commands: &[SimpleCommand]) -> Vec<String> {
        commands.iter().map(|command| format!("{}: {}", command.line, command.words.join("·"))).collect()
    }

    #[test]
    fn a_script_is_split_as_a_shell_does() {
        let script = "a b \\\n  'c d' \"e f\"  # comment; no command\n\nA=1 B= x y#z && u | v 2>&1 >w; t\n";
        assert_eq!(words(&commands(script)), ["0: a·b·c d·e f", "3: x·y#z", "3: u", "3: v", "3: t"]);
    }

    #[test]
    fn loops_and_substitutions_do_not_hide_a_command() {
        let script = "for n in one two; do a $(b 'c' | d) --to $n.json; done";
        assert_eq!(words(&commands(script)), ["0: for·n·in·one·two", "0: a·$(b 'c' | d)·--to·$n.json", "0: done"]);
    }

    #[test]
    fn placeholders_are_words() {
        assert_eq!(words(&commands("a <FILE> [NAME|FILE...] < in >out")), ["0: a·<FILE>·[NAME|FILE...]"]);
    }

    #[test]
    fn only_lines_with_a_prompt_are_commands_of_a_transcript() {
        assert_eq!(words(&commands_of_transcript("$ a \\\n  b\nout put\n$ c\n")), ["0: a·b", "3: c"]);
    }
}
