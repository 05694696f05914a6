import RegistryModel

/// Canonical records in the order of their keys, so that a digest of many, few of which have changed, needs neither sort
/// nor encode the others again.
struct OrderedRecords {
    private var keys: [String] = []
    private var sorted: [CanonicalRecord] = []
    /// Not yet among the sorted; nil: removed.
    private var pending: [String: CanonicalRecord?] = [:]

    mutating func put(_ key: String, _ record: CanonicalRecord) {
        pending[key] = .some(record)
    }

    mutating func remove(_ key: String) {
        pending[key] = .some(nil)
    }

    /// All of them, in order.
    mutating func records() -> [CanonicalRecord] {
        merge()
        return sorted
    }

    private mutating func merge() {
        guard !pending.isEmpty else { return }
        let changes = pending.sorted { $0.key < $1.key }
        var newKeys: [String] = []
        var newRecords: [CanonicalRecord] = []
        newKeys.reserveCapacity(keys.count + changes.count)
        newRecords.reserveCapacity(keys.count + changes.count)
        var index = 0
        for (key, record) in changes {
            let place = firstIndex(notBefore: key, from: index)
            newKeys += keys[index..<place]
            newRecords += sorted[index..<place]
            index = place < keys.count && keys[place] == key ? place + 1 : place
            guard let record else { continue }
            newKeys.append(key)
            newRecords.append(record)
        }
        newKeys += keys[index...]
        newRecords += sorted[index...]
        keys = newKeys
        sorted = newRecords
        pending.removeAll(keepingCapacity: true)
    }

    private func firstIndex(notBefore key: String, from start: Int) -> Int {
        var low = start
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
