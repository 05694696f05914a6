/// Heartbeats of about a second, small enough to keep for years: times rounded down to steps of 100 ms, and within a
/// step the handles sorted and delta-coded. About 1.5 bytes a beat at 25,000 instances, once zstd has seen it.
public struct PackedHeartbeats: Sendable, Equatable {
    /// The log sequence that these beats follow.
    public var follows: SequenceNumber
    /// Time of step 0, in milliseconds of Unix time, a multiple of 100.
    public var baseUnixMilliseconds: Int64
    /// Beats in `packed`; 0 says only that the registry was up.
    public var count: UInt32
    /// For each step that has beats, all as varints: steps since the last such step (of the first: since step 0),
    /// number of beats, the first handle, then the differences of the sorted handles.
    public var packed: [UInt8]

    public init(follows: SequenceNumber, baseUnixMilliseconds: Int64, count: UInt32, packed: [UInt8]) {
        self.follows = follows
        self.baseUnixMilliseconds = baseUnixMilliseconds
        self.count = count
        self.packed = packed
    }

    public static let stepMilliseconds: Int64 = 100
}

/// Gathers beats until they are packed.
///
/// Not thread safe: its owner guards it. Beats before the first one's step count as in that step.
public struct HeartbeatPacker: Sendable {
    private var beats: [(step: UInt32, handle: UInt64)] = []
    private var base: Int64?

    public init() {}

    public var count: Int {
        beats.count
    }

    public mutating func append(_ handle: InstanceHandle, at time: Timestamp) {
        let milliseconds = time.rawValue / 1_000_000
        let base = self.base ?? milliseconds - milliseconds % PackedHeartbeats.stepMilliseconds
        self.base = base
        let step = max(0, milliseconds - base) / PackedHeartbeats.stepMilliseconds
        beats.append((UInt32(clamping: step), handle.rawValue))
    }

    /// What was gathered, and begins anew; with none, a mark at `now` that the registry was up.
    public mutating func pack(following sequence: SequenceNumber, now: Timestamp) -> PackedHeartbeats {
        let milliseconds = now.rawValue / 1_000_000
        let base = self.base ?? milliseconds - milliseconds % PackedHeartbeats.stepMilliseconds
        beats.sort { ($0.step, $0.handle) < ($1.step, $1.handle) }
        var packed: [UInt8] = []
        packed.reserveCapacity(beats.count * 2 + 16)
        var index = 0
        var lastStep: UInt32 = 0
        while index < beats.count {
            let step = beats[index].step
            var end = index
            while end < beats.count, beats[end].step == step { end += 1 }
            Varint.append(UInt64(step - lastStep), to: &packed)
            Varint.append(UInt64(end - index), to: &packed)
            var last: UInt64 = 0
            for beat in beats[index..<end] {
                Varint.append(beat.handle - last, to: &packed)
                last = beat.handle
            }
            lastStep = step
            index = end
        }
        let result = PackedHeartbeats(
            follows: sequence,
            baseUnixMilliseconds: base,
            count: UInt32(clamping: beats.count),
            packed: packed
        )
        beats.removeAll(keepingCapacity: true)
        self.base = nil
        return result
    }
}

extension PackedHeartbeats {
    /// Calls `body` with each beat in order of time.
    ///
    /// - Throws: `malformedHeartbeats` where the bytes are not as described or hold another number of beats.
    public func forEach(_ body: (InstanceHandle, Timestamp) -> Void) throws(RegistryModelError) {
        try forEachStep { (bytes, offset, beats, time) in
            var handle: UInt64 = 0
            for _ in 0..<beats {
                guard let difference = Varint.read(bytes, at: &offset) else { return false }
                handle &+= difference
                body(InstanceHandle(handle), time)
            }
            return true
        }
    }

    /// Checks the bytes as ``forEach(_:)`` does, without making each beat.
    public func check() throws(RegistryModelError) {
        try forEachStep { (bytes, offset, beats, _) in Varint.skip(beats, in: bytes, at: &offset) }
    }

    /// - Parameter body: takes a step's beats, so many, from the offset on; false where they are cut short.
    private func forEachStep(
        _ body: (UnsafeRawBufferPointer, inout Int, UInt64, Timestamp) -> Bool
    ) throws(RegistryModelError) {
        let total = count
        let base = baseUnixMilliseconds
        let problem = packed.withUnsafeBytes { bytes -> String? in
            var offset = 0
            var seen: UInt64 = 0
            var step: Int64 = 0
            while offset < bytes.count {
                guard let skipped = Varint.read(bytes, at: &offset), skipped <= UInt32.max,
                    let beats = Varint.read(bytes, at: &offset)
                else { return "a step is cut short" }
                // Each beat takes a byte at least, so a count beyond what is left is a lie.
                guard beats <= bytes.count - offset else { return "a step claims more beats than there are bytes" }
                step += Int64(skipped)
                let (milliseconds, overflow) = base.addingReportingOverflow(step * Self.stepMilliseconds)
                let (nanoseconds, overflowInTime) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
                guard step <= UInt32.max, !overflow, !overflowInTime else { return "a step is beyond all time" }
                guard body(bytes, &offset, beats, Timestamp(rawValue: nanoseconds)) else {
                    return "a handle is cut short"
                }
                seen += beats
            }
            return seen == total ? nil : "\(total) beats were promised, \(seen) are there"
        }
        if let problem { throw RegistryModelError(.malformedHeartbeats, problem) }
    }
}
