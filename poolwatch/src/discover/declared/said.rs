//! What was heard, from where, and what follows from it.
//!
//! In come single numbers with the kind of place where each stood, out go the four of [`Declared`]. The most
//! telling place that speaks of a number decides alone; if it says two different things, nobody can tell
//! which pool each is for, and the number is absent.

use std::collections::BTreeMap;

use crate::event::Declared;

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    /// Connections that are kept.
    Min,
    /// Connections at most; with an [`Number::Overflow`] beside it, before that.
    Max,
    /// Connections at most before an overflow that is always there: without it nothing follows.
    Size,
    /// Connections beyond those.
    Overflow,
    /// Milliseconds that a connection may be idle.
    IdleTimeout,
    /// Milliseconds that a borrower waits.
    ConnectionTimeout,
}

/// Where a number stood, the most telling first. The order of the first four is Spring's own:
/// <https://docs.spring.io/spring-boot/reference/features/external-config.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// An argument `--name=value`.
    Argument,
    /// `SPRING_APPLICATION_JSON`.
    Json,
    /// An argument `-Dname=value` of a JVM, or one that it finds in a variable.
    Property,
    /// A variable that a framework has defined, or its own configuration file.
    Framework,
    /// A parameter of a connection string.
    Address,
    /// A variable whose name says it.
    General,
    /// A variable for something else that by a framework's habit is the pool's size, too.
    Habit,
}

const SOURCES: [Source; 7] = [
    Source::Argument,
    Source::Json,
    Source::Property,
    Source::Framework,
    Source::Address,
    Source::General,
    Source::Habit,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    One(i64),
    Several,
}

impl Heard {
    const fn one(self) -> Option<i64> {
        match self {
            Self::One(value) => Some(value),
            Self::Several => None,
        }
    }
}

/// Everything that was heard; at most one entry for each number and place.
#[derive(Debug, Default)]
pub(super) struct Said {
    heard: BTreeMap<(Number, Source), Heard>,
}

impl Said {
    /// A number stood at a place.
    pub(super) fn hear(&mut self, source: Source, number: Number, value: i64) {
        let heard = self.heard.entry((number, source)).or_insert(Heard::One(value));
        if *heard != Heard::One(value) {
            *heard = Heard::Several;
        }
    }

    /// What follows.
    pub(super) fn declared(&self) -> Declared {
        Declared {
            min: self.only(Number::Min),
            max: self.max(),
            idle_timeout: self.only(Number::IdleTimeout),
            connection_timeout: self.only(Number::ConnectionTimeout),
        }
    }

    fn at(&self, number: Number, source: Source) -> Option<Heard> {
        self.heard.get(&(number, source)).copied()
    }

    fn only(&self, number: Number) -> Option<i64> {
        SOURCES.iter().find_map(|source| self.at(number, *source)).and_then(Heard::one)
    }

    fn max(&self) -> Option<i64> {
        let speaks = |source: &Source| {
            let (max, size) = (self.at(Number::Max, *source), self.at(Number::Size, *source));
            let base = max.or(size)?;
            Some((base, self.at(Number::Overflow, *source), max.is_some()))
        };
        let (base, overflow, sufficient) = SOURCES.iter().find_map(speaks)?;
        let base = base.one()?;
        match overflow {
            // Nonsense is shown as it is.
            _ if base < 0 => Some(base),
            // SQLAlchemy: a size of 0 and an overflow of -1 mean that there is no limit.
            // <https://docs.sqlalchemy.org/en/20/core/pooling.html#sqlalchemy.pool.QueuePool>
            Some(overflow) => {
                overflow.one().filter(|more| *more >= 0 && base > 0).map(|more| base.saturating_add(more))
            }
            None => sufficient.then_some(base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(heard: &[(Source, Number, i64)]) -> Declared {
        let mut said = Said::default();
        for (source, number, value) in heard {
            said.hear(*source, *number, *value);
        }
        said.declared()
    }

    #[test]
    fn the_most_telling_place_decides_alone() {
        let general = (Source::General, Number::Max, 10);
        let framework = (Source::Framework, Number::Max, 5);
        assert_eq!(said(&[general, framework]).max, Some(5));
        assert_eq!(said(&[framework, general]).max, Some(5));
        let another = (Source::Framework, Number::Max, 6);
        assert_eq!(said(&[general, framework, another, framework]).max, None);
        assert_eq!(said(&[framework, framework]).max, Some(5));
        assert_eq!(said(&[]), Declared::default());
    }

    #[test]
    fn an_overflow_is_added() {
        let size = |value| (Source::Framework, Number::Size, value);
        let max = |value| (Source::Framework, Number::Max, value);
        let overflow = |value| (Source::Framework, Number::Overflow, value);
        assert_eq!(said(&[size(5), overflow(3)]).max, Some(8));
        assert_eq!(said(&[size(5)]).max, None);
        assert_eq!(said(&[max(5)]).max, Some(5));
        assert_eq!(said(&[max(5), overflow(2)]).max, Some(7));
        assert_eq!(said(&[size(5), overflow(-1)]).max, None);
        assert_eq!(said(&[size(0), overflow(3)]).max, None);
        assert_eq!(said(&[size(-2)]).max, Some(-2));
        assert_eq!(said(&[overflow(3)]).max, None);
        assert_eq!(said(&[max(i64::MAX), overflow(i64::MAX)]).max, Some(i64::MAX));
    }
}
