//! The query string, split and decoded once.

pub(crate) use super::canonical::InvalidEscape;
use super::canonical::percent_decode;

/// The items of a query in wire order. Empty ones, as in `a&&b`, are dropped: no reader sees them.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    items: Vec<Item<'a>>,
}

/// `name=value`, or a name alone.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    /// Decoded.
    pub(crate) name: Vec<u8>,
    /// Decoded; empty for a name alone.
    pub(crate) value: Vec<u8>,
    pub(crate) wire_name: &'a str,
    pub(crate) wire_value: &'a str,
    /// The item as it was received.
    pub(crate) wire: &'a str,
}

impl<'a> Query<'a> {
    /// Splits and decodes `query` (without its question mark). A `+` is a blank, as S3 reads it.
    pub(crate) fn parse(query: Option<&'a str>) -> Result<Self, InvalidEscape> {
        let wire_items = query.unwrap_or_default().split('&').filter(|wire| !wire.is_empty());
        let items = wire_items.map(Item::parse).collect::<Result<_, _>>()?;
        Ok(Self { items })
    }

    pub(crate) fn items(&self) -> &[Item<'a>] {
        &self.items
    }

    /// Whether any item has this name, spelled exactly so.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.name == name.as_bytes())
    }

    /// The value of the only item of this name, as text.
    pub(crate) fn unique(&self, name: &'static str) -> Result<&str, NotUnique> {
        let mut found = self.items.iter().filter(|item| item.name == name.as_bytes());
        let item = found.next().ok_or(NotUnique::Missing(name))?;
        if found.next().is_some() {
            return Err(NotUnique::Repeated(name));
        }
        std::str::from_utf8(&item.value).map_err(|_| NotUnique::NotText(name))
    }
}

impl<'a> Item<'a> {
    fn parse(wire: &'a str) -> Result<Self, InvalidEscape> {
        let (wire_name, wire_value) = wire.split_once('=').unwrap_or((wire, ""));
        let decode = |text: &str| percent_decode(&text.replace('+', "%20"));
        Ok(Self { name: decode(wire_name)?, value: decode(wire_value)?, wire_name, wire_value, wire })
    }
}

/// Why a query item that must be there once could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnique {
    /// Not there.
    #[error("the query parameter {0} is missing")]
    Missing(&'static str),
    /// There more than once.
    #[error("the query parameter {0} is repeated")]
    Repeated(&'static str),
    /// Not UTF-8.
    #[error("the query parameter {0} is not text")]
    NotText(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse(Some("a%20b=c+d&uploads&&e==f")).unwrap();
        let items: Vec<_> = query.items().iter().map(|item| (&item.name[..], &item.value[..])).collect();
        assert_eq!(items, [(&b"a b"[..], &b"c d"[..]), (b"uploads", b""), (b"e", b"=f")]);
    }

    #[test]
    fn unique_refuses_what_is_missing_repeated_or_no_text() {
        let query = Query::parse(Some("a=1&a=2&b=%ff&c=3")).unwrap();
        assert_eq!(query.unique("a"), Err(NotUnique::Repeated("a")));
        assert_eq!(query.unique("b"), Err(NotUnique::NotText("b")));
        assert_eq!(query.unique("c"), Ok("3"));
        assert_eq!(query.unique("d"), Err(NotUnique::Missing("d")));
    }
}
