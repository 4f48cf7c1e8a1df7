//! The time zone that times are told in.

use std::fmt;

use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// A zone of the IANA database, UTC unless told.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// A text that names no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no time zone: a name of the IANA database is expected, such as Europe/Berlin or UTC")]
pub struct UnknownZone {
    /// What was given.
    pub name: String,
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// The zone of an IANA name, from the database that is compiled in: the same on every machine.
    ///
    /// # Errors
    /// [`UnknownZone`].
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(name);
        let zone = zone.map_err(|_| UnknownZone { name: name.chars().take(64).collect() })?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, zone })
    }

    /// The zone's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is UTC.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        self.name == "UTC"
    }

    /// A time to the second, with its offset: `2026-03-01 09:30:00Z`, `2026-03-01 10:30:00+01:00`.
    #[must_use]
    pub fn seconds(&self, time: Timestamp) -> String {
        let shape = if self.is_utc() { "%Y-%m-%d %H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%S%:z" };
        self.shown(time, shape)
    }

    /// A time to the minute, without an offset: `2026-03-01 09:30`.
    #[must_use]
    pub fn minutes(&self, time: Timestamp) -> String {
        self.shown(time, "%Y-%m-%d %H:%M")
    }

    /// As RFC 3339 with milliseconds and the zone's offset.
    #[must_use]
    pub fn rfc_3339(&self, time: Timestamp) -> String {
        if self.is_utc() { time.to_string() } else { self.shown(time, "%Y-%m-%dT%H:%M:%S%.3f%:z") }
    }

    /// How far the zone's clocks are ahead of UTC at a time, in milliseconds.
    #[must_use]
    pub fn offset_ms(&self, time: Timestamp) -> i64 {
        let instant =
            jiff::Timestamp::from_millisecond(time.as_millis()).expect("the range is jiff's, and narrower");
        i64::from(self.zone.to_offset(instant).seconds()) * crate::time::SECOND_MS
    }

    /// A time by a `strftime` shape of our own.
    #[must_use]
    pub fn shown(&self, time: Timestamp, shape: &str) -> String {
        let instant =
            jiff::Timestamp::from_millisecond(time.as_millis()).expect("the range is jiff's, and narrower");
        instant.to_zoned(self.zone.clone()).strftime(shape).to_string()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_zone_with_its_offset() {
        let winter: Timestamp = "2026-03-01T09:30:00.250Z".parse().unwrap();
        let summer: Timestamp = "2026-07-01T09:30:00Z".parse().unwrap();
        let (utc, berlin) = (Zone::utc(), Zone::parse("Europe/Berlin").unwrap());
        assert_eq!(utc.seconds(winter), "2026-03-01 09:30:00Z");
        assert_eq!(utc.rfc_3339(winter), winter.to_string());
        assert_eq!(berlin.seconds(winter), "2026-03-01 10:30:00+01:00");
        assert_eq!(berlin.rfc_3339(winter), "2026-03-01T10:30:00.250+01:00");
        assert_eq!(berlin.minutes(summer), "2026-07-01 11:30");
        assert_eq!(Zone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(berlin.seconds(Timestamp::MAX), "9999-12-30 23:00:00+01:00");
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for name in ["", "Mars/Olympus", "+01:00", "../../etc/passwd"] {
            assert!(Zone::parse(name).is_err(), "{name}");
        }
        assert_eq!(Zone::parse("utc"), Ok(Zone::utc()));
    }
}
