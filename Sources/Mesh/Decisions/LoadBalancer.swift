import NIOCore
import RegistryModel

/// The power of two choices (Mitzenmacher 2001): of two instances at random, the one that costs less. Nobody is flooded,
/// as the one best would be, and a slow one gets little.
enum LoadBalancer {
    /// What a call to an instance costs: its latency for each call that it would have to do, with in-flight calls counted
    /// by its weight.
    static func cost(of place: Int, in instances: [JudgedInstance], meanWeight: Double, now: NIODeadline) -> Double {
        // Field by field: an instance is too large to be copied for three numbers.
        let share = meanWeight / Double(max(1, instances[place].routed.weight))
        return instances[place].latency.estimate(now: now) * (1 + Double(instances[place].inFlight) * share)
    }

    /// One of the best; nothing is allocated.
    static func pick(
        from set: WeightedIndices,
        _ instances: [JudgedInstance],
        now: NIODeadline,
        using generator: inout some RandomNumberGenerator
    ) -> Int {
        let (first, second) = set.drawTwo(using: &generator)
        guard first != second else { return first }
        return cheaper(first, second, instances, meanWeight: set.meanWeight, now: now)
    }

    /// For a further try: one that was not tried yet, of the best tier that has such; one that was, rather than one of the
    /// last resort. The cheapest of all: a call that has failed once should not be left to a choice of two bad ones.
    ///
    /// - Returns: nil where none may be picked at all.
    static func pickAnother(
        than tried: [InstanceKey],
        from set: CandidateSet,
        _ instances: [JudgedInstance],
        zone: String,
        now: NIODeadline,
        using generator: inout some RandomNumberGenerator
    ) -> Int? {
        let meanWeight = set.everywhere.meanWeight
        var best: (place: Int, rank: Int, cost: Double)?
        var equals = 0
        for (place, instance) in instances.enumerated() where instance.tier != .never {
            let isElsewhere = !set.inOwnZone.isEmpty && instance.routed.zone != zone
            let rank =
                (instance.tier == .lastResort ? 1_000 : 0) + (tried.contains(instance.routed.key) ? 100 : 0)
                + set.rank(of: instance.tier) * 2 + (isElsewhere ? 1 : 0)
            let cost = cost(of: place, in: instances, meanWeight: meanWeight, now: now)
            if let best, (rank, cost) > (best.rank, best.cost) { continue }
            if let best, (rank, cost) == (best.rank, best.cost) {
                // Each of the equals with the same chance.
                equals += 1
                guard Int.random(in: 0..<equals, using: &generator) == 0 else { continue }
            } else {
                equals = 1
            }
            best = (place, rank, cost)
        }
        return best?.place
    }

    private static func cheaper(
        _ first: Int,
        _ second: Int,
        _ instances: [JudgedInstance],
        meanWeight: Double,
        now: NIODeadline
    ) -> Int {
        cost(of: first, in: instances, meanWeight: meanWeight, now: now)
            <= cost(of: second, in: instances, meanWeight: meanWeight, now: now) ? first : second
    }
}
