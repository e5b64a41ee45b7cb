//! The few options that chores take: flags, numbers, and the words that remain.

use crate::Failure;

/// A chore's arguments, taken apart one by one; [`Options::done`] refuses what nobody asked for.
#[derive(Debug)]
pub(crate) struct Options {
    rest: Vec<String>,
}

impl Options {
    pub(crate) fn new(arguments: &[String]) -> Self {
        Self { rest: arguments.to_vec() }
    }

    /// Takes the flag `name` out and says whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|argument| argument != name);
        self.rest.len() < before
    }

    /// Takes `name VALUE` out.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(at) = self.rest.iter().position(|argument| argument == name) else { return Ok(None) };
        if at + 1 >= self.rest.len() {
            return Err(Failure::Usage(format!("{name} wants a value")));
        }
        self.rest.remove(at);
        Ok(Some(self.rest.remove(at)))
    }

    /// Takes `name N` out, a whole number of at least 1.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        match text.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(Failure::Usage(format!("{name} wants a whole number of at least 1, not `{text}`"))),
        }
    }

    /// The words that are no options.
    pub(crate) fn words(self) -> Result<Vec<String>, Failure> {
        match self.rest.iter().find(|argument| argument.starts_with('-')) {
            Some(unknown) => Err(Failure::Usage(format!("there is no option `{unknown}` here"))),
            None => Ok(self.rest),
        }
    }

    /// Refuses whatever was not taken out.
    pub(crate) fn done(self) -> Result<(), Failure> {
        match self.rest.first() {
            Some(unknown) => Err(Failure::Usage(format!("`{unknown}` means nothing here"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Options {
        Options { rest: text.split_whitespace().map(String::from).collect() }
    }

    #[test]
    fn flags_numbers_and_words() {
        let mut o = options("x1 --record --seconds 5 x2");
        assert!(o.flag("--record") && !o.flag("--record"));
        assert_eq!(o.number("--seconds").unwrap(), Some(5));
        assert_eq!(o.number("--cases").unwrap(), None);
        assert_eq!(o.words().unwrap(), ["x1", "x2"]);
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        assert!(options("--seconds").number("--seconds").is_err());
        assert!(options("--seconds 0").number("--seconds").is_err());
        assert!(options("--seconds -1").number("--seconds").is_err());
        assert!(options("x --new").words().is_err());
        assert!(options("x").done().is_err());
        assert!(options("").done().is_ok());
    }
}
