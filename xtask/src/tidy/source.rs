//! A file as the rules read it: its text, and for Rust its words without comments.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One token of Rust: an identifier, a literal, or one character of punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As written.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

/// A file of the workspace.
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Tokens; empty for what is not Rust.
    pub words: Vec<Word>,
}

impl Source {
    /// Takes a file apart. What does not parse has no words: the compiler will say so better.
    pub fn new(path: &str, text: &str) -> Self {
        let mut source = Self { path: path.to_owned(), text: text.to_owned(), words: Vec::new() };
        if source.is_rust() {
            flatten(text.parse().unwrap_or_default(), &mut source.words);
        }
        source
    }

    /// Whether the rules for Rust apply.
    pub fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|ending| ending == "rs")
    }

    /// The first name after each `start::`, grouped imports included, with its line.
    pub fn names_after(&self, start: &str) -> Vec<(&str, usize)> {
        let mut names = Vec::new();
        for (at, words) in self.words.windows(4).enumerate() {
            let [root, first, second, next] = words else { continue };
            let begins =
                at.checked_sub(1).and_then(|before| self.words.get(before)).is_none_or(|w| w.text != ":");
            if !begins || root.text != start || first.text != ":" || second.text != ":" {
                continue;
            }
            if next.text == "{" {
                names.extend(self.group(at + 3));
            } else {
                names.push((next.text.as_str(), next.line));
            }
        }
        names
    }

    /// The first name of each part of the braces that open at `open`.
    fn group(&self, open: usize) -> Vec<(&str, usize)> {
        let (mut depth, mut first, mut names) = (0_usize, true, Vec::new());
        for word in self.words.iter().skip(open) {
            match word.text.as_str() {
                "{" => depth += 1,
                "}" if depth == 1 => break,
                "}" => depth -= 1,
                "," if depth == 1 => first = true,
                name if first && depth == 1 => {
                    names.push((name, word.line));
                    first = false;
                }
                _ => {}
            }
        }
        names
    }

    /// Lines on which an identifier stands.
    pub fn lines_with<'a>(&'a self, identifier: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.words.iter().filter(move |word| word.text == identifier).map(|word| word.line)
    }
}

fn flatten(tokens: TokenStream, words: &mut Vec<Word>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                words.push(Word { text: open.to_owned(), line: group.span_open().start().line });
                flatten(group.stream(), words);
                words.push(Word { text: close.to_owned(), line: group.span_close().start().line });
            }
            other => words.push(Word { text: other.to_string(), line: other.span().start().line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let text = "use crate::{\n    a::{b, c},\n    d,\n};\nuse crate::e::f;\nfn g() { crate::h::i() }";
        let source = Source::new("x.rs", text);
        assert_eq!(source.names_after("crate"), [("a", 2), ("d", 3), ("e", 5), ("h", 6)]);
    }

    #[test]
    fn comments_and_strings_are_not_words() {
        let source = Source::new("x.rs", "// crate::a\n/* unsafe */ const X: &str = \"unsafe crate::b\";");
        assert!(source.names_after("crate").is_empty());
        assert_eq!(source.lines_with("unsafe").count(), 0);
    }

    #[test]
    fn a_name_in_the_middle_of_a_path_is_no_root() {
        let source = Source::new("x.rs", "use std::io::Write; use my::std::fs;");
        assert_eq!(source.names_after("std"), [("io", 1)]);
        assert!(source.names_after("io").is_empty());
    }
}
