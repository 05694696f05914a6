public import RegistryModel

/// How long heartbeats are kept. The log of decisions is kept whole for ever; this is about `DATA/beats` alone.
public enum BeatRetention: Sendable, Equatable {
    case forever
    case age(Duration)
    /// Of all heartbeats together.
    case bytes(UInt64)
}

extension BeatLog {
    /// Removes the oldest sealed segments that are not to be kept: whole, the oldest first, so that a crash in between
    /// leaves a shorter history and never a hole. Their seals stay on record. The newest sealed segment always stays: its
    /// own seal may not be on record yet.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    public func retain(_ rule: BeatRetention, now: Timestamp) throws -> Int {
        guard rule != .forever else { return 0 }
        let reader = try LogReader(directory: directory, stream: .beats)
        let segments = try reader.segments()
        var removed = 0
        for first in segments.dropLast(2) {
            let path = LogReader.path(of: first, in: directory)
            let size = try FileHash.size(of: path)
            switch rule {
            case .forever: return removed
            case .age(let age):
                guard let last = try reader.sealedTime(of: first), now.since(last) > age else { return removed }
            case .bytes(let limit): guard bytesOnDisk > limit else { return removed }
            }
            try remove(path, size)
            removed += 1
        }
        return removed
    }
}
