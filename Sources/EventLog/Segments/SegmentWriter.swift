import Glibc
import OpenSSLCrypto
import RegistryModel

/// Appends batches to one segment.
///
/// Space is allocated ahead; what is not used yet is covered by one skippable frame, whose head is written anew with
/// each batch, so that at any quiet moment the file is a whole `.zst` file.
final class SegmentWriter {
    let firstSequence: SequenceNumber
    /// Behind the last whole batch, or the footer.
    private(set) var end: UInt64
    /// Whether the footer is written: nothing may be appended behind it.
    private(set) var isSealed = false
    private var allocated: UInt64
    private let file: DurableFile
    private let allocationStep: UInt64
    private let compressor: ZstdCompressor
    private var payload: [UInt8] = []
    private var output: [UInt8] = []
    private var index: [SegmentFooter.Entry]

    /// Takes over a segment that was looked through: `end` is behind its last whole batch.
    init(
        file: DurableFile,
        firstSequence: SequenceNumber,
        end: UInt64,
        index: [SegmentFooter.Entry],
        allocationStep: UInt64,
        compressor: ZstdCompressor
    ) throws(EventLogError) {
        self.file = file
        self.firstSequence = firstSequence
        self.end = end
        self.index = index
        self.allocationStep = allocationStep
        self.compressor = compressor
        allocated = try file.size()
    }

    /// Makes a segment: written under a temporary name, synced, renamed, the directory synced.
    static func create(
        in directory: String,
        _ header: SegmentHeader,
        _ options: SegmentedLog.Options,
        compressor: ZstdCompressor
    ) throws(EventLogError) -> SegmentWriter {
        let path = directory + "/" + SegmentFile.name(header.firstSequence)
        let temporary = path + SegmentFile.temporarySuffix
        let frame = header.frame
        do {
            let file = try DurableFile(path: temporary, mode: .create, failpoints: options.failpoints)
            try write(frame, to: file, at: 0)
            try file.sync()
        }
        try DurableFile.publish(temporary, as: path, failpoints: options.failpoints)
        return try SegmentWriter(
            file: try DurableFile(path: path, mode: .readWrite, failpoints: options.failpoints),
            firstSequence: header.firstSequence,
            end: UInt64(frame.count),
            index: [],
            allocationStep: options.allocationStep,
            compressor: compressor
        )
    }

    /// Writes one batch and syncs it.
    ///
    /// - Returns: the bytes it takes, and how long the sync took.
    /// - Throws: `disk-full` or `write-failed` with nothing of it left; `sync-failed` after which nobody may append.
    func append(
        _ events: [EncodedEvent],
        durableThrough: SequenceNumber
    ) throws(EventLogError) -> (bytes: Int, syncDuration: Duration) {
        guard let first = events.first, let last = events.last else { return (0, .zero) }
        precondition(!isSealed, "nothing is appended behind a footer")
        payload.removeAll(keepingCapacity: true)
        for event in events { BatchPayload.append(event.bytes, to: &payload) }
        output.removeAll(keepingCapacity: true)
        output.append(contentsOf: repeatElement(0, count: BatchHeader.frameBytes))
        let compressed = try compressor.append(payload, to: &output)
        var head: [UInt8] = []
        head.reserveCapacity(BatchHeader.frameBytes)
        BatchHeader(
            firstSequence: first.sequence,
            eventCount: UInt32(clamping: events.count),
            firstTime: first.time,
            lastTime: last.time,
            compressedBytes: UInt32(clamping: compressed),
            rawBytes: UInt32(clamping: payload.count),
            durableThrough: durableThrough
        ).append(to: &head)
        output.replaceSubrange(0..<head.count, with: head)
        let batchBytes = output.count
        try makeRoom(for: UInt64(batchBytes))
        appendPaddingHead(behind: end + UInt64(batchBytes))
        do {
            try Self.write(output, to: file, at: end)
        } catch {
            throw cutBack(after: error)
        }
        let began = ContinuousClock.now
        try file.sync()
        noteIndex(first, at: end)
        end += UInt64(batchBytes)
        return (batchBytes, ContinuousClock.now - began)
    }

    /// Writes the footer, gives back what was allocated, and syncs: nothing is appended any more. Where it throws, it may
    /// be called again.
    func seal(lastSequence: SequenceNumber, lastTime: Timestamp, root: SHA256Digest) throws(EventLogError) {
        if !isSealed { try writeFooter(lastSequence, lastTime, root) }
        try trim()
    }

    private func writeFooter(
        _ lastSequence: SequenceNumber,
        _ lastTime: Timestamp,
        _ root: SHA256Digest
    ) throws(EventLogError) {
        let footer = SegmentFooter(lastSequence: lastSequence, lastTime: lastTime, root: root, entries: index)
        let frame = footer.frame
        try makeRoom(for: UInt64(frame.count))
        do {
            try Self.write(frame, to: file, at: end)
        } catch {
            throw cutBack(after: error)
        }
        end += UInt64(frame.count)
        isSealed = true
    }

    /// Gives back what was allocated and not used, and syncs.
    func trim() throws(EventLogError) {
        try file.truncate(to: end)
        allocated = end
        try file.sync()
    }

    // MARK: Space

    private func makeRoom(for bytes: UInt64) throws(EventLogError) {
        let needed = end + bytes
        // Nothing left over, or enough for the padding's own head.
        if allocated == needed || allocated >= needed + UInt64(SkippableFrame.headBytes) { return }
        let target = (needed / allocationStep + 1) * allocationStep + UInt64(SkippableFrame.headBytes)
        let from = max(allocated, end)
        do {
            try file.allocate(at: from, length: target - from)
        } catch {
            guard error.code == .diskFull else { throw error }
            // A part may have been allocated before the disk was full, and then belongs to the file.
            allocated = max(allocated, try file.size())
            // Not even a step ahead: perhaps just what is needed.
            try makeBareRoom(needed + UInt64(SkippableFrame.headBytes))
            return
        }
        allocated = target
    }

    private func makeBareRoom(_ target: UInt64) throws(EventLogError) {
        guard target > allocated else { return }
        do {
            try file.allocate(at: allocated, length: target - allocated)
            allocated = target
        } catch {
            allocated = max(allocated, try file.size())
            throw error
        }
    }

    private func appendPaddingHead(behind position: UInt64) {
        guard allocated > position else { return }
        let content = allocated - position - UInt64(SkippableFrame.headBytes)
        SkippableFrame.appendHead(SkippableFrame.paddingMagic, contentBytes: Int(content), to: &output)
    }

    /// Undoes a half-written append, so that the next one begins on clean ground.
    ///
    /// - Returns: what to throw: the failure itself, or that the cut failed too, which nobody may write after.
    private func cutBack(after failure: EventLogError) -> EventLogError {
        guard failure.code != .dead else { return failure }
        do throws(EventLogError) {
            try trim()
            return failure
        } catch {
            return EventLogError(
                error.code == .dead ? .dead : .syncFailed,
                "\(failure.message); and what was half written can't be cut off: \(error.message)",
                path: file.path,
                offset: end,
                errno: error.errno
            )
        }
    }

    private func noteIndex(_ first: EncodedEvent, at offset: UInt64) {
        if let last = index.last, offset - last.offset < SegmentFooter.spacing { return }
        index.append(SegmentFooter.Entry(firstSequence: first.sequence, firstTime: first.time, offset: offset))
    }

    private static func write(_ bytes: [UInt8], to file: DurableFile, at offset: UInt64) throws(EventLogError) {
        let result = bytes.withUnsafeBytes { raw -> EventLogError? in
            do throws(EventLogError) {
                try file.write(raw, at: offset)
                return nil
            } catch {
                return error
            }
        }
        if let result { throw result }
    }
}
