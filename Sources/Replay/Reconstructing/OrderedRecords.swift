import RegistryModel

/// Canonical records of certificates in the order of their serial numbers, as the state digest takes them: a fleet has a
/// hundred thousand, of which a minute changes a few, and what did not change is neither sorted nor encoded nor copied
/// again.
struct OrderedRecords {
    /// None is empty; the keys of each are before those of the next.
    private var runs: [RecordRun] = []
    /// Not yet in a run; nil: removed.
    private var pending: [String: CertificateRecord?] = [:]

    mutating func put(_ certificate: CertificateRecord) {
        pending[certificate.serial] = .some(certificate)
    }

    mutating func remove(_ serial: String) {
        pending[serial] = .some(nil)
    }

    /// Shows all of them, in order, many at a time.
    mutating func forEachRun(_ body: (UnsafeRawBufferPointer) -> Void) {
        merge()
        for run in runs { run.bytes.withUnsafeBytes(body) }
    }

    private mutating func merge() {
        guard !pending.isEmpty else { return }
        let changes = pending.sorted { $0.key < $1.key }
        pending = [:]
        if runs.isEmpty { runs = [RecordRun()] }
        var merged: [RecordRun] = []
        merged.reserveCapacity(runs.count + 1)
        var next = changes.startIndex
        for (index, run) in runs.enumerated() {
            // What comes before the next run is this one's.
            var end = changes.endIndex
            if index + 1 < runs.count, let bound = runs[index + 1].keys.first {
                end = next
                while end < changes.endIndex, changes[end].key < bound { end += 1 }
            }
            merged += next == end ? [run] : run.merging(changes[next..<end]).cut()
            next = end
        }
        runs = merged
    }
}

/// Records that are neighbours, in one piece of memory.
private struct RecordRun {
    /// One of more is cut into equal parts.
    private static let most = 256

    private(set) var keys: [String] = []
    private(set) var bytes: [UInt8] = []
    /// Where each record ends in `bytes`.
    private var ends: [Int] = []

    /// - Parameter changes: in order of keys; nil: removed.
    func merging(_ changes: ArraySlice<(key: String, value: CertificateRecord?)>) -> RecordRun {
        var merged = RecordRun()
        merged.bytes.reserveCapacity(bytes.count + 256 * changes.count)
        var index = 0
        for (key, certificate) in changes {
            let start = index
            while index < keys.count, keys[index] < key { index += 1 }
            merged.append(self, start..<index)
            if index < keys.count, keys[index] == key { index += 1 }
            guard let certificate else { continue }
            var record = CanonicalRecords()
            record.append(certificate)
            merged.bytes += record.bytes
            merged.keys.append(key)
            merged.ends.append(merged.bytes.count)
        }
        merged.append(self, index..<keys.count)
        return merged
    }

    /// None where it is empty.
    func cut() -> [RecordRun] {
        let parts = (keys.count + Self.most - 1) / Self.most
        if parts == 1 { return [self] }
        return (0..<parts).map { part in
            var run = RecordRun()
            run.append(self, keys.count * part / parts..<keys.count * (part + 1) / parts)
            return run
        }
    }

    private mutating func append(_ other: RecordRun, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let start = range.lowerBound == 0 ? 0 : other.ends[range.lowerBound - 1]
        let shift = bytes.count - start
        keys += other.keys[range]
        bytes += other.bytes[start..<other.ends[range.upperBound - 1]]
        for end in other.ends[range] { ends.append(end + shift) }
    }
}
