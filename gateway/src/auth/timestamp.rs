//! Times as signatures carry them, to the second.

use time::format_description::well_known::Rfc2822;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// A moment in UTC, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Drops the fraction of a second.
    pub(crate) fn new(moment: OffsetDateTime) -> Self {
        let moment = moment.to_offset(UtcOffset::UTC);
        Self(moment.replace_nanosecond(0).expect("0 is a valid nanosecond"))
    }

    /// Seconds since 1970; none if no calendar has that moment.
    pub(crate) fn from_unix(seconds: i64) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp(seconds).ok().map(Self)
    }

    /// `20130524T000000Z`, the form of `x-amz-date`.
    pub(crate) fn parse_basic(text: &str) -> Option<Self> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        PrimitiveDateTime::parse(text, format).ok().map(|moment| Self(moment.assume_utc()))
    }

    /// The `Date` header: `Fri, 24 May 2013 00:00:00 GMT`; some signers put the form of `x-amz-date` there.
    pub(crate) fn parse_http_date(text: &str) -> Option<Self> {
        Self::parse_basic(text).or_else(|| OffsetDateTime::parse(text, &Rfc2822).ok().map(Self::new))
    }

    /// The form of `x-amz-date`.
    pub(crate) fn basic(self) -> String {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        self.0.format(format).expect("every component of the format is present")
    }

    /// `20130524`, the day of a credential scope.
    pub(crate) fn day(self) -> String {
        let format = format_description!("[year][month][day]");
        self.0.format(format).expect("every component of the format is present")
    }

    /// `2013-05-24T00:00:00Z`, for error documents.
    pub(crate) fn extended(self) -> String {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        self.0.format(format).expect("every component of the format is present")
    }

    /// How far `self` lies after `other`; negative if before.
    pub(crate) fn since(self, other: Self) -> Duration {
        self.0 - other.0
    }

    /// None past the end of the calendar.
    pub(crate) fn checked_add_seconds(self, seconds: i64) -> Option<Self> {
        self.0.checked_add(Duration::seconds(seconds)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_date_forms_name_the_same_moment() {
        let basic = Timestamp::parse_basic("20130524T000000Z").unwrap();
        assert_eq!(Timestamp::parse_http_date("Fri, 24 May 2013 00:00:00 GMT"), Some(basic));
        assert_eq!(Timestamp::parse_http_date("Fri, 24 May 2013 02:00:00 +0200"), Some(basic));
        assert_eq!(Timestamp::parse_http_date("20130524T000000Z"), Some(basic));
        assert_eq!((basic.basic().as_str(), basic.day().as_str()), ("20130524T000000Z", "20130524"));
        assert_eq!(basic.extended(), "2013-05-24T00:00:00Z");
    }

    #[test]
    fn malformed_dates_are_refused() {
        for text in [
            "",
            "20130524",
            "20131324T000000Z",
            "20130524T000000",
            "2013-05-24T00:00:00Z",
            "20130524T250000Z",
        ] {
            assert_eq!(Timestamp::parse_basic(text), None, "{text}");
        }
    }
}
