//! The queue before the writer: who waits, who leads, and how many share a batch (group commit).
//!
//! Callers queue tickets. One of them at a time *leads*: it takes what is queued, commits it as one batch with one
//! `fdatasync`, tells all of them their outcomes at once, and calls the next leader. A leader that saw several
//! callers in the last batch gives them a moment to come back, at most half of what that batch took: they would
//! otherwise pay for a batch each. A caller that stays alone does not wait.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest moment that a leader gives to others.
const LINGER_MAX: Duration = Duration::from_millis(5);

/// What is queued, and whether somebody leads.
#[derive(Debug)]
pub(super) struct Queue<W, O> {
    state: Mutex<State<W, O>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<W, O> {
    tickets: VecDeque<Ticket<W, O>>,
    /// How many calls the queued tickets come from.
    calls: usize,
    is_led: bool,
    /// How many calls shared the last batch, and how long it took.
    last: (usize, Duration),
}

/// One piece of work, and where its outcome goes.
#[derive(Debug)]
pub(super) struct Ticket<W, O> {
    pub(super) work: W,
    call: Arc<Call<O>>,
    /// Its place among the outcomes of its call.
    place: usize,
    is_last_of_call: bool,
}

/// A caller that waits for the outcomes of its tickets.
#[derive(Debug)]
struct Call<O> {
    state: Mutex<CallState<O>>,
    changed: Condvar,
}

#[derive(Debug)]
struct CallState<O> {
    outcomes: Vec<Option<O>>,
    left: usize,
    /// Whether it is to lead.
    is_called: bool,
}

/// A lock whose holder panicked is still the only way to what it guards; the writer's own flag says whether that
/// can be used.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W, O> Ticket<W, O> {
    /// Gives the ticket its outcome.
    pub(super) fn tell(&self, outcome: O) {
        let mut state = lock(&self.call.state);
        state.outcomes[self.place] = Some(outcome);
        state.left -= 1;
        if state.left == 0 {
            self.call.changed.notify_one();
        }
    }
}

impl<W, O> Queue<W, O> {
    pub(super) const fn new() -> Self {
        let state = State { tickets: VecDeque::new(), calls: 0, is_led: false, last: (0, Duration::ZERO) };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Queues `works` in order, and waits until each has its outcome. Whenever nobody leads, the caller does: it
    /// calls `commit` with tickets that `take` chose from the front of the queue, and `commit` tells each of them
    /// its outcome, even when it panics.
    pub(super) fn submit(
        &self,
        works: Vec<W>,
        take: impl Fn(&mut VecDeque<Ticket<W, O>>) -> Vec<Ticket<W, O>>,
        commit: impl Fn(Vec<Ticket<W, O>>),
    ) -> Vec<O> {
        let count = works.len();
        if count == 0 {
            return Vec::new();
        }
        let outcomes = (0..count).map(|_| None).collect();
        let state = CallState { outcomes, left: count, is_called: false };
        let call = Arc::new(Call { state: Mutex::new(state), changed: Condvar::new() });
        self.enqueue(works, &call);
        let _waiting = Waiting { queue: self, call: &call };
        while !call.is_done() {
            match self.lead() {
                Some(leading) => leading.run(&take, &commit),
                None => call.wait(),
            }
        }
        let outcomes = std::mem::take(&mut lock(&call.state).outcomes);
        outcomes.into_iter().map(|outcome| outcome.expect("every ticket was told")).collect()
    }

    fn enqueue(&self, works: Vec<W>, call: &Arc<Call<O>>) {
        let count = works.len();
        let mut state = lock(&self.state);
        state.calls += 1;
        state.tickets.extend(works.into_iter().enumerate().map(|(place, work)| Ticket {
            work,
            call: Arc::clone(call),
            place,
            is_last_of_call: place + 1 == count,
        }));
        self.arrived.notify_one();
    }

    /// Takes the lead, if nobody has it and there is something to commit.
    fn lead(&self) -> Option<Leading<'_, W, O>> {
        let mut state = lock(&self.state);
        if state.is_led || state.tickets.is_empty() {
            return None;
        }
        state.is_led = true;
        Some(Leading { queue: self })
    }
}

impl<O> Call<O> {
    fn is_done(&self) -> bool {
        lock(&self.state).left == 0
    }

    /// Waits until all outcomes are there, or somebody is to lead.
    fn wait(&self) {
        let state = lock(&self.state);
        let waits = |state: &mut CallState<O>| state.left > 0 && !state.is_called;
        let mut state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.is_called = false;
    }
}

/// A call that waits. Where its thread panics in the lead, nobody waits for the tickets that are still queued: they
/// are taken out, for whoever is called on their behalf never comes.
struct Waiting<'a, W, O> {
    queue: &'a Queue<W, O>,
    call: &'a Arc<Call<O>>,
}

impl<W, O> Drop for Waiting<'_, W, O> {
    fn drop(&mut self) {
        if self.call.is_done() {
            return;
        }
        let mut state = lock(&self.queue.state);
        let before = state.tickets.len();
        state.tickets.retain(|ticket| !Arc::ptr_eq(&ticket.call, self.call));
        if state.tickets.len() < before {
            // The last of them was among those.
            state.calls -= 1;
        }
        if !state.is_led {
            state.call_next();
        }
    }
}

impl<W, O> State<W, O> {
    /// Calls whoever is next in the queue to lead.
    fn call_next(&self) {
        if let Some(next) = self.tickets.front() {
            lock(&next.call.state).is_called = true;
            next.call.changed.notify_one();
        }
    }
}

/// The lead, until it is dropped: then whoever is next in the queue is called.
struct Leading<'a, W, O> {
    queue: &'a Queue<W, O>,
}

impl<W, O> Leading<'_, W, O> {
    fn run(
        self,
        take: &impl Fn(&mut VecDeque<Ticket<W, O>>) -> Vec<Ticket<W, O>>,
        commit: &impl Fn(Vec<Ticket<W, O>>),
    ) {
        let (tickets, calls) = {
            let mut state = self.linger();
            let tickets = take(&mut state.tickets);
            let calls = tickets.iter().filter(|ticket| ticket.is_last_of_call).count();
            state.calls -= calls;
            (tickets, calls)
        };
        let began = Instant::now();
        commit(tickets);
        lock(&self.queue.state).last = (calls, began.elapsed());
    }

    /// Gives those who shared the last batch a moment to queue again.
    fn linger(&self) -> MutexGuard<'_, State<W, O>> {
        let state = lock(&self.queue.state);
        let (calls, took) = state.last;
        let moment = (took / 2).min(LINGER_MAX);
        let waited = self.queue.arrived.wait_timeout_while(state, moment, |state| state.calls < calls);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<W, O> Drop for Leading<'_, W, O> {
    fn drop(&mut self) {
        let mut state = lock(&self.queue.state);
        state.is_led = false;
        state.call_next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Up to four tickets a batch; the outcome is twice the work.
    fn take_four(queue: &mut VecDeque<Ticket<u32, u32>>) -> Vec<Ticket<u32, u32>> {
        let count = queue.len().min(4);
        queue.drain(..count).collect()
    }

    #[test]
    fn every_call_gets_its_own_outcomes_in_order() {
        let queue = Queue::new();
        let (batches, busy) = (AtomicUsize::new(0), Mutex::new(()));
        let commit = |tickets: Vec<Ticket<u32, u32>>| {
            let _one_at_a_time = busy.try_lock().expect("one leads at a time");
            assert!((1..=4).contains(&tickets.len()));
            batches.fetch_add(1, Ordering::Relaxed);
            for ticket in &tickets {
                ticket.tell(ticket.work * 2);
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..8u32 {
                let (queue, commit) = (&queue, &commit);
                scope.spawn(move || {
                    for round in 0..300u32 {
                        let works: Vec<u32> =
                            (0..round % 7).map(|n| thread * 100_000 + round * 10 + n).collect();
                        let outcomes = queue.submit(works.clone(), take_four, commit);
                        assert_eq!(outcomes, works.iter().map(|work| work * 2).collect::<Vec<_>>());
                    }
                });
            }
        });
        assert!(batches.into_inner() > 0);
        assert_eq!(lock(&queue.state).calls, 0);
    }

    #[test]
    fn what_queues_during_a_batch_shares_the_next() {
        let queue = Queue::new();
        let batches = Mutex::new(Vec::new());
        let commit = |tickets: Vec<Ticket<u32, u32>>| {
            if lock(&batches).is_empty() {
                while lock(&queue.state).calls < 3 {
                    std::thread::yield_now();
                }
            }
            lock(&batches).push(tickets.len());
            for ticket in &tickets {
                ticket.tell(0);
            }
        };
        // The first batch is one ticket, however many have queued.
        let take = |queue: &mut VecDeque<_>| {
            if lock(&batches).is_empty() { queue.pop_front().into_iter().collect() } else { take_four(queue) }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| queue.submit(vec![1], take, commit));
            }
        });
        assert_eq!(batches.into_inner().unwrap(), [1, 3]);
    }

    #[test]
    fn a_panic_of_the_leader_hands_the_lead_on() {
        let queue = Queue::new();
        let panics = AtomicUsize::new(0);
        let commit = |tickets: Vec<Ticket<u32, u32>>| {
            for ticket in &tickets {
                ticket.tell(ticket.work);
            }
            assert!(!panics.fetch_add(1, Ordering::Relaxed).is_multiple_of(3), "on purpose");
        };
        let submit = |work| {
            let call = || queue.submit(vec![work], take_four, commit);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        };
        std::thread::scope(|scope| {
            for work in 0..6 {
                let submit = &submit;
                scope.spawn(move || (0..50).for_each(|_| drop(submit(work))));
            }
        });
        assert!(panics.into_inner() > 0);
    }

    /// The call's other tickets are still queued, first of all, and nobody waits for them any more.
    #[test]
    fn a_panic_amid_a_call_of_several_batches_hands_the_lead_on() {
        let queue = Arc::new(Queue::new());
        let (tell, told) = std::sync::mpsc::channel();
        let submit = |works: Vec<u32>| {
            let (queue, tell) = (Arc::clone(&queue), tell.clone());
            std::thread::spawn(move || {
                let take = |queue: &mut VecDeque<_>| queue.pop_front().into_iter().collect();
                let commit = |tickets: Vec<Ticket<u32, u32>>| {
                    for ticket in &tickets {
                        ticket.tell(ticket.work);
                    }
                    if tickets[0].work == 1 {
                        while lock(&queue.state).calls < 2 {
                            std::thread::yield_now();
                        }
                        panic!("on purpose");
                    }
                };
                tell.send(queue.submit(works, take, commit)).expect("the test listens");
            })
        };
        let panicking = submit(vec![1, 2, 3]);
        while !lock(&queue.state).is_led {
            std::thread::yield_now();
        }
        let waiting = submit(vec![4]);
        assert!(panicking.join().is_err());
        // Whoever is never answered would hang here for good.
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(vec![4]));
        waiting.join().expect("it was answered");
        let state = lock(&queue.state);
        assert_eq!((state.tickets.len(), state.calls, state.is_led), (0, 0, false));
    }
}
