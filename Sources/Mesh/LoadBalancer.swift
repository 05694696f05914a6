import NIOCore
import RegistryModel

/// The power of two choices (Mitzenmacher 2001): of two instances at random, the one that costs less. Nobody is flooded,
/// as the one best would be, and a slow one gets little.
enum LoadBalancer {
    /// What a call to an instance costs: its latency for each call that it would have to do, with in-flight calls counted
    /// by its weight.
    static func cost(of instance: JudgedInstance, meanWeight: Double, now: NIODeadline) -> Double {
        let share = meanWeight / Double(max(1, instance.routed.weight))
        return instance.latency.estimate(now: now) * (1 + Double(instance.inFlight) * share)
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
    /// last resort.
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
        var best = Int.max
        var weights: UInt64 = 0
        var count = 0
        var chosen: (Int, Int)?
        for (index, instance) in instances.enumerated() where instance.tier != .never {
            let isElsewhere = !set.inOwnZone.isEmpty && instance.routed.zone != zone
            let rank =
                (instance.tier == .lastResort ? 1_000 : 0) + (tried.contains(instance.routed.key) ? 100 : 0)
                + set.rank(of: instance.tier) * 2 + (isElsewhere ? 1 : 0)
            guard rank <= best else { continue }
            if rank < best { (best, weights, count) = (rank, 0, 0) }
            let weight = UInt64(instance.routed.weight)
            weights += weight
            count += 1
            // Two reservoirs of one each: whoever is passed stays with the chance of its weight.
            let stays = (
                UInt64.random(in: 0..<weights, using: &generator) >= weight,
                UInt64.random(in: 0..<weights, using: &generator) >= weight
            )
            chosen = (stays.0 ? chosen?.0 ?? index : index, stays.1 ? chosen?.1 ?? index : index)
        }
        guard let (first, second) = chosen else { return nil }
        let meanWeight = Double(weights) / Double(count)
        return first == second ? first : cheaper(first, second, instances, meanWeight: meanWeight, now: now)
    }

    private static func cheaper(
        _ first: Int,
        _ second: Int,
        _ instances: [JudgedInstance],
        meanWeight: Double,
        now: NIODeadline
    ) -> Int {
        cost(of: instances[first], meanWeight: meanWeight, now: now)
            <= cost(of: instances[second], meanWeight: meanWeight, now: now) ? first : second
    }
}
