//! Options of a program, and properties of a JVM: `--name=value`, `--name value`, `-Dname=value`.
//!
//! Arguments come in as they stand in `/proc`, or as one text that a JVM takes from a variable; pairs of
//! name and value go out, borrowed and for a moment only.

/// One option with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    /// It is a property of the JVM.
    pub property: bool,
    /// Without dashes before it.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// Variables from which a JVM takes further arguments by itself.
/// <https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html#using-the-jdk_java_options-launcher-environment-variable>
pub(super) const OF_JAVA: [&str; 2] = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"];

/// Options among the words of a command.
pub(super) fn pairs<'a>(words: &'a [&'a str]) -> impl Iterator<Item = Pair<'a>> {
    words.iter().enumerate().filter_map(|(at, word)| {
        if let Some(property) = word.strip_prefix("-D") {
            let (name, value) = property.split_once('=')?;
            return Some(Pair { property: true, name, value });
        }
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
        if let Some((name, value)) = option.split_once('=') {
            return Some(Pair { property: false, name, value });
        }
        let value = words.get(at + 1).filter(|next| !next.starts_with("--"))?;
        Some(Pair { property: false, name: option, value })
    })
}

/// The words of a text as a JVM splits it: at blanks outside quotes.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut quote = None;
    let ends = |c: char| match quote {
        None if c.is_whitespace() => true,
        None => {
            quote = matches!(c, '"' | '\'').then_some(c);
            false
        }
        Some(open) => {
            quote = (c != open).then_some(open);
            false
        }
    };
    text.split(ends).map(|word| word.trim_matches(['"', '\''])).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_each_form() {
        let line = ["java", "-Dp.a=1", "-Xmx1g", "--b=2", "--c", "3", "-d", "4", "-Dlone", "--e", "--f", "g"];
        let found: Vec<_> = pairs(&line).map(|pair| (pair.property, pair.name, pair.value)).collect();
        let expected =
            [(true, "p.a", "1"), (false, "b", "2"), (false, "c", "3"), (false, "d", "4"), (false, "f", "g")];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_text_is_split_outside_quotes() {
        assert_eq!(words("-Da=1  \"-Db=x y\" '-Dc=2'"), ["-Da=1", "-Db=x y", "-Dc=2"]);
        assert_eq!(words("-Da=\"x y"), ["-Da=\"x y"]);
        assert!(words("  ").is_empty());
    }
}
