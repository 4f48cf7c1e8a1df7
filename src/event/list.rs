//! Lists in canonical order: strictly ascending, no key twice, bounded.

use std::ops::Deref;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::error::DecodeError;
use bincode::{BorrowDecode, Decode, Encode};
use serde::Serialize;

/// What a list is sorted by, and what may stand in it only once.
pub trait Ranked {
    /// The sorting key.
    type Rank: Ord + ?Sized;

    /// The sorting key of this item.
    fn rank(&self) -> &Self::Rank;
}

macro_rules! ranked_by_itself {
    ($($name:ty),+) => {
        $(impl Ranked for $name {
            type Rank = Self;
            fn rank(&self) -> &Self {
                self
            }
        })+
    };
}

ranked_by_itself!(u64, crate::event::text::Name, crate::event::glob::Glob, crate::event::authority::Role);

/// Why items do not form a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// More items than the field takes.
    #[error("a list has {actual} items, at most {max} are allowed")]
    TooLong {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        max: usize,
    },
    /// An item that does not stand after the one before it.
    #[error("item {position} of a list is not above the one before it: lists ascend strictly")]
    NotAscending {
        /// Where, from 0.
        position: usize,
    },
}

/// At most `MAX` items, strictly ascending by [`Ranked::rank`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Serialize)]
#[serde(transparent)]
pub struct Ascending<T, const MAX: usize>(Vec<T>);

impl<T: Ranked, const MAX: usize> Ascending<T, MAX> {
    /// Sorts `items`; two with the same rank are an error, for nobody could say which counts.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn sort(mut items: Vec<T>) -> Result<Self, ListError> {
        items.sort_by(|a, b| a.rank().cmp(b.rank()));
        Self::new(items)
    }

    /// Takes items that ascend already.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn new(items: Vec<T>) -> Result<Self, ListError> {
        if items.len() > MAX {
            return Err(ListError::TooLong { actual: items.len(), max: MAX });
        }
        let descent = items.windows(2).position(|pair| pair[0].rank() >= pair[1].rank());
        match descent {
            Some(before) => Err(ListError::NotAscending { position: before + 1 }),
            None => Ok(Self(items)),
        }
    }
}

impl<T, const MAX: usize> Default for Ascending<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for Ascending<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a Ascending<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<C, T: Ranked + Decode<C> + 'static, const MAX: usize> Decode<C> for Ascending<T, MAX> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        // The length is judged before any item: behind a length that is wrong, an item means nothing.
        let count = usize::try_from(u64::decode(decoder)?).unwrap_or(usize::MAX);
        if count > MAX {
            return Err(invalid(&ListError::TooLong { actual: count, max: MAX }));
        }
        let items = (0..count).map(|_| T::decode(decoder)).collect::<Result<_, _>>()?;
        Self::new(items).map_err(|error| invalid(&error))
    }
}

fn invalid(error: &ListError) -> DecodeError {
    DecodeError::OtherString(error.to_string())
}

impl<'de, C, T: Ranked + Decode<C> + 'static, const MAX: usize> BorrowDecode<'de, C> for Ascending<T, MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn order_doubles_and_length_are_checked() {
        type List = Ascending<u64, 3>;
        assert_eq!(&*List::sort(vec![3, 1, 2]).expect("distinct"), &[1, 2, 3]);
        assert_eq!(List::sort(vec![1, 1]), Err(ListError::NotAscending { position: 1 }));
        assert_eq!(List::new(vec![1, 3, 2]), Err(ListError::NotAscending { position: 2 }));
        assert_eq!(List::new(vec![1, 2, 3, 4]), Err(ListError::TooLong { actual: 4, max: 3 }));
        assert!(codec::decode::<List>(&codec::encode(&vec![2u64, 1])).is_err());
        assert!(codec::decode::<List>(&codec::encode(&vec![1u64, 2])).is_ok());
    }
}
