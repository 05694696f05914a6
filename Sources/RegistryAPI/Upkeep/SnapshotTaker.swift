import Glibc
import NIOPosix
import Registry
import RegistryModel
import Replay

/// Takes snapshots of the running registry: signed, written, verified, and put on record.
struct SnapshotTaker: Sendable {
    let registry: ServiceRegistry

    struct Taken: Sendable {
        var path: String
        var bytes: UInt64
        var manifest: SnapshotManifest
    }

    /// - Parameters:
    ///   - path: nil: a name of its own, in the registry's directory for them.
    ///   - actor: who asked for it; nil: the schedule.
    func take(_ path: String?, actor: Actor?) async throws -> Taken {
        guard registry.beginSnapshot() else {
            throw ProblemDetails(
                code: "snapshot-running",
                status: 409,
                title: "A snapshot is being taken",
                detail: "another snapshot is being taken: one at a time"
            )
        }
        defer { registry.endSnapshot() }
        if registry.checkpointKey != nil { _ = try await registry.signCheckpoint() }
        let target = try path ?? defaultPath()
        let registry = registry
        let (manifest, record): (SnapshotManifest, SnapshotRecord)
        do {
            (manifest, record) = try await NIOThreadPool.singleton.runIfActive {
                let manifest = try SnapshotArchive.write(
                    to: target,
                    view: registry.view,
                    dataDirectory: registry.dataDirectory.path
                )
                return (manifest, try SnapshotArchive.record(of: target, manifest))
            }
        } catch {
            throw Self.problem(error, target)
        }
        try await registry.record(record, actor: actor)
        let last = SnapshotTimes.Last(file: target, sequence: manifest.sequence, takenAt: registry.now().time)
        registry.noteSnapshot { times in
            times.last = last
            times.failure = nil
        }
        return Taken(path: target, bytes: record.bytes, manifest: manifest)
    }

    /// What kept it from being taken; the registry itself goes on.
    private static func problem(_ error: any Error, _ path: String) -> ProblemDetails {
        if let error = error as? ReplayError, error.code == .usage {
            return ProblemDetails(code: "snapshot-exists", status: 409, title: "Already there", detail: error.message)
        }
        return ProblemDetails(
            code: "snapshot-failed",
            status: 503,
            title: "No snapshot",
            detail: "\(path) could not be written and verified: \(error)",
            hint: "nothing of it was left behind"
        )
    }

    /// `2026-11-24T140624Z-7f3a91c2.tar.zst`
    private func defaultPath() throws -> String {
        let directory = registry.snapshotDirectory
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw RegistryError(.dataDirectory, "can't make \(directory): \(String(cString: strerror(errno)))")
        }
        let time = registry.now().time.utcText.filter { $0 != ":" }
        return "\(directory)/\(time)-\(registry.registryID.short)\(KeptSnapshots.suffix)"
    }

    /// Snapshots in the registry's directory, the oldest first: their names begin with the time.
    func kept() throws -> [String] {
        let directory = registry.snapshotDirectory
        let ending = "-\(registry.registryID.short)\(KeptSnapshots.suffix)"
        return WorkDirectory.entries(directory).filter { $0.hasSuffix(ending) }.map { directory + "/" + $0 }.sorted()
    }

    /// Where no snapshot is known yet, the newest that lies in the registry's directory is the last one.
    func rememberNewest() throws {
        for path in try kept().reversed() {
            // One that something damaged is no snapshot.
            guard let takenAt = Self.time(ofName: path), let manifest = try? SnapshotArchive.inspect(path) else {
                continue
            }
            let last = SnapshotTimes.Last(file: path, sequence: manifest.sequence, takenAt: takenAt)
            return registry.noteSnapshot { $0.last = $0.last ?? last }
        }
    }

    /// What ``defaultPath()`` wrote into it.
    static func time(ofName path: String) -> Timestamp? {
        guard let name = path.split(separator: "/").last, let end = name.firstIndex(of: "Z") else { return nil }
        let parts = name[..<end].split(separator: "T", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count >= 6 else { return nil }
        let digits = Array(parts[1])
        let clock = "\(String(digits[0..<2])):\(String(digits[2..<4])):\(String(digits[4...]))"
        return Timestamp(rfc3339: "\(parts[0])T\(clock)Z")
    }

    /// Removes the oldest beyond what is kept.
    func prune(keeping count: Int) throws {
        for path in try kept().dropLast(max(1, count)) { unlink(path) }
    }
}
