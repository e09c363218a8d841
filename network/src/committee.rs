//! The storage nodes of one epoch, their keys and the shards each is on duty for.

use haulout_encoder::ShardIndex;

use crate::bls::PublicKey;
use crate::ids::{Epoch, NodeId};

/// Position of a node in [`Committee::members`]: the index space of signer bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u16);

/// One storage node of a committee. Its weight is the number of its shards.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is, also across epochs.
    pub node_id: NodeId,
    /// Verifies its confirmations in this epoch.
    pub public_key: PublicKey,
    /// The shards it holds, in its own order.
    pub shards: Vec<ShardIndex>,
}

/// The members of one epoch in the order the chain stores them. Their shards partition `0..n_shards`.
#[derive(Clone, Debug)]
pub struct Committee {
    epoch: Epoch,
    n_shards: u16,
    members: Vec<Member>,
    owners: Vec<MemberIndex>,
}

/// The given members cannot be a committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommittee {
    /// A shard at or beyond `n_shards`.
    #[error("shard {shard} is not among {n_shards} shards")]
    NoSuchShard {
        /// The shard a member claims.
        shard: u16,
        /// How many there are.
        n_shards: u16,
    },
    /// A shard that two members hold.
    #[error("shard {shard} is assigned twice")]
    AssignedTwice {
        /// The contested shard.
        shard: u16,
    },
    /// A shard that nobody holds.
    #[error("shard {shard} is assigned to nobody")]
    Unassigned {
        /// The orphaned shard.
        shard: u16,
    },
    /// More members than a signer bitmap can index.
    #[error("{members} members are too many")]
    TooManyMembers {
        /// How many were given.
        members: usize,
    },
}

impl Committee {
    /// Checks that the members' shards are exactly `0..n_shards`, each once.
    ///
    /// # Errors
    /// [`InvalidCommittee`] names the first shard that is wrong.
    pub fn new(epoch: Epoch, n_shards: u16, members: Vec<Member>) -> Result<Self, InvalidCommittee> {
        let mut owners = vec![None; usize::from(n_shards)];
        for (position, member) in members.iter().enumerate() {
            let position = u16::try_from(position)
                .map_err(|_| InvalidCommittee::TooManyMembers { members: members.len() })?;
            for &ShardIndex(shard) in &member.shards {
                let owner = owners
                    .get_mut(usize::from(shard))
                    .ok_or(InvalidCommittee::NoSuchShard { shard, n_shards })?;
                if owner.replace(MemberIndex(position)).is_some() {
                    return Err(InvalidCommittee::AssignedTwice { shard });
                }
            }
        }
        let owners = (0..n_shards)
            .zip(owners)
            .map(|(shard, owner)| owner.ok_or(InvalidCommittee::Unassigned { shard }))
            .collect::<Result<_, _>>()?;
        Ok(Self { epoch, n_shards, members, owners })
    }

    /// The same nodes with the same duties in another epoch.
    #[must_use]
    pub fn in_epoch(&self, epoch: Epoch) -> Self {
        Self { epoch, ..self.clone() }
    }

    /// The epoch this committee serves.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many shards the members share.
    pub fn n_shards(&self) -> u16 {
        self.n_shards
    }

    /// The members with their positions, in committee order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (MemberIndex, &Member)> + Clone {
        // `new` has counted the members with a `u16`.
        self.members
            .iter()
            .enumerate()
            .map(|(position, member)| (MemberIndex(u16::try_from(position).expect("counted by new")), member))
    }

    /// The member at a position, if the committee is that large.
    pub fn member(&self, index: MemberIndex) -> Option<&Member> {
        self.members.get(usize::from(index.0))
    }

    /// Who holds a shard.
    ///
    /// # Panics
    /// If the shard is not below [`Self::n_shards`].
    pub fn owner(&self, shard: ShardIndex) -> MemberIndex {
        self.owners[usize::from(shard.0)]
    }

    /// Summed shards of `members`, each of whom must be named once.
    pub fn weight(&self, members: impl IntoIterator<Item = MemberIndex>) -> u16 {
        let shards: usize = members
            .into_iter()
            .filter_map(|index| self.member(index))
            .map(|member| member.shards.len())
            .sum();
        u16::try_from(shards).expect("distinct members hold at most n_shards, a u16")
    }

    /// Whether `weight` makes a certificate, as the contract counts: `3 w >= 2 n + 1`.
    pub fn is_quorum(&self, weight: u16) -> bool {
        3 * u32::from(weight) > 2 * u32::from(self.n_shards)
    }

    /// The smallest weight that [`Self::is_quorum`]: `n - f`.
    pub fn quorum(&self) -> u16 {
        self.n_shards - (self.n_shards - 1) / 3
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::bls::SecretKey;

    fn member(shards: impl IntoIterator<Item = u16>) -> Member {
        let mut rng = StdRng::seed_from_u64(1);
        Member {
            node_id: NodeId([7; 32]),
            public_key: SecretKey::generate(&mut rng).public_key(),
            shards: shards.into_iter().map(ShardIndex).collect(),
        }
    }

    #[test]
    fn shards_must_be_a_partition() {
        let new = |members| Committee::new(Epoch(1), 4, members).map(|_| ());
        assert_eq!(new(vec![member([0, 3]), member([2, 1])]), Ok(()));
        assert_eq!(new(vec![member([0, 4])]), Err(InvalidCommittee::NoSuchShard { shard: 4, n_shards: 4 }));
        assert_eq!(
            new(vec![member([0, 1]), member([1, 2, 3])]),
            Err(InvalidCommittee::AssignedTwice { shard: 1 })
        );
        assert_eq!(new(vec![member([0, 1, 3])]), Err(InvalidCommittee::Unassigned { shard: 2 }));
    }

    #[test]
    fn the_clients_quorum_is_the_contracts() {
        for n_shards in 4..=1000 {
            let committee = Committee::new(Epoch(1), n_shards, vec![member(0..n_shards)]).unwrap();
            assert!(committee.is_quorum(committee.quorum()));
            assert!(!committee.is_quorum(committee.quorum() - 1));
        }
    }
}
