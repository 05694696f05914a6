import RegistryModel

/// Which names were called of late, on one event loop or on all.
struct NameUsage: Sendable, Equatable {
    private(set) var used: Set<ServiceName> = []
    private var known: Set<ServiceName> = []

    mutating func note(_ name: ServiceName, isInUse: Bool) {
        known.insert(name)
        if isInUse { used.insert(name) }
    }

    mutating func add(_ other: NameUsage) {
        used.formUnion(other.used)
        known.formUnion(other.known)
    }

    /// Called once, by nobody of late.
    var unused: Set<ServiceName> { known.subtracting(used) }
}
