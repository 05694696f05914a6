import NIOCore
import RegistryModel

/// Which instances of a service calls go to now: the best tier that has any, made anew only when something changed.
struct CandidateSet: Sendable {
    /// Panic, in which tiers count no more, is for services of so many instances or more…
    static let panicMinimum = 10
    /// …of which less than this share is usable: the rest would drown, and much that looks ill is not.
    static let panicShare = 0.5
    /// The own zone must have so many usable ones: one alone would leave no choice.
    static let zoneMinimum = 2

    /// All of the best tier.
    private(set) var everywhere = WeightedIndices()
    /// Those of the own zone; empty while it has not enough.
    private(set) var inOwnZone = WeightedIndices()
    private(set) var isPanic = false
    private(set) var pickable = 0
    private(set) var candidates = Candidates()
    /// When time alone changes the set.
    private(set) var validUntil = NIODeadline.uptimeNanoseconds(0)

    /// What a pick draws from.
    var preferred: WeightedIndices {
        inOwnZone.isEmpty ? everywhere : inOwnZone
    }

    /// Asks for a new judgement before the next pick.
    mutating func invalidate() {
        validUntil = .uptimeNanoseconds(0)
    }

    /// Judges all instances and gathers the best.
    mutating func rebuild(from instances: inout [JudgedInstance], zone: String, now: NIODeadline) {
        candidates = Candidates()
        candidates.total = instances.count
        pickable = 0
        validUntil = .distantFuture
        for index in instances.indices {
            let tier = instances[index].judgedTier
            instances[index].tier = tier
            if tier != .never { pickable += 1 }
            if tier.isUsable { candidates.usable += 1 }
            if let changesAt = instances[index].changesAt { validUntil = min(validUntil, changesAt) }
            if candidates.leftOut.count < Candidates.limit, let reason = instances[index].leftOutBecause {
                candidates.leftOut.append((instances[index].routed.key, reason: reason))
            }
        }
        isPanic =
            pickable >= Self.panicMinimum && Double(candidates.usable) < Double(pickable) * Self.panicShare
        gather(instances, zone: zone)
    }

    /// The rank of an instance among the others, 0 the best: its tier, unless panic merges them.
    func rank(of tier: InstanceTier) -> Int {
        isPanic && tier < .lastResort ? 0 : tier.rawValue
    }

    private mutating func gather(_ instances: [JudgedInstance], zone: String) {
        everywhere.removeAll()
        inOwnZone.removeAll()
        var best = Int.max
        for instance in instances where instance.tier != .never { best = min(best, rank(of: instance.tier)) }
        var zones: Set<String> = []
        var ofOwnZone = 0
        for (index, instance) in instances.enumerated() where instance.tier != .never {
            let isOwn = instance.routed.zone == zone
            if isOwn { ofOwnZone += 1 }
            guard rank(of: instance.tier) == best else { continue }
            everywhere.append(index, weight: instance.routed.weight)
            zones.insert(instance.routed.zone)
            if isOwn { inOwnZone.append(index, weight: instance.routed.weight) }
        }
        if zone.isEmpty || isPanic || zones.count < 2 || !hasEnough(of: ofOwnZone, zones: zones.count) {
            inOwnZone.removeAll()
        }
    }

    /// Whether the own zone can carry its callers alone: most of its instances are up, and it is not so small beside the
    /// others that its share of the callers would be too many (half of an equal share of the weights at least).
    private func hasEnough(of registered: Int, zones: Int) -> Bool {
        let usable = inOwnZone.indices.count
        return usable >= Self.zoneMinimum && usable * 2 >= registered
            && inOwnZone.totalWeight * UInt64(zones) * 2 >= everywhere.totalWeight
    }
}
