import RegistryClient
import RegistryModel
import Synchronization

/// All that is known, and who waits for news of it.
///
/// Readers are never queued for: each remembers the revision that it was told, and is told what changed since when it can
/// take it. A slow one costs nothing but its own delay.
final class DashboardModel: Sendable {
    struct State: Sendable {
        var mirror = RegistryMirror()
        var registry: RegistryCondition
        var traffic = TrafficReport()
        var pulse = Pulse()
        fileprivate(set) var revision: UInt64 = 0
        /// Revisions that these changed with last.
        fileprivate var registryRevision: UInt64 = 0
        fileprivate var trafficRevision: UInt64 = 0
        fileprivate var readers: [Int: AsyncStream<Void>.Continuation] = [:]
        fileprivate var nextReader = 0
    }

    private let state: Mutex<State>

    init(registry address: RegistryAddress) {
        state = Mutex(State(registry: RegistryCondition(address: address.description)))
    }

    // MARK: What is told

    func take(_ message: WatchMessage) {
        let now = WallClock.now()
        publish { state in
            state.mirror.apply(message, revision: state.revision, now: now)
        }
    }

    func beginWatch(at sequence: SequenceNumber) {
        publish { state in
            state.mirror.begin(at: sequence)
            return false
        }
    }

    func update(_ change: (inout RegistryCondition) -> Void) {
        publish { state in
            change(&state.registry)
            state.registryRevision = state.revision
            return true
        }
    }

    func take(_ traffic: TrafficReport) {
        publish { state in
            state.traffic = traffic
            state.pulse.take(traffic.pulse)
            state.trafficRevision = state.revision
            return true
        }
    }

    /// Makes a change under a new revision, and wakes the readers where it is one.
    private func publish(_ change: (inout State) -> Bool) {
        let waiting: [AsyncStream<Void>.Continuation] = state.withLock { state in
            state.revision += 1
            return change(&state) ? Array(state.readers.values) : []
        }
        for reader in waiting { reader.yield() }
    }

    // MARK: What is asked

    func read<R>(_ body: (borrowing State) -> R) -> R {
        state.withLock { body($0) }
    }

    /// Hands in something to wait on for the time of `body`: it says that there is news, once however much there is.
    func withNews<R>(_ body: (AsyncStream<Void>) async throws -> R) async rethrows -> R {
        let (news, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            defer { state.nextReader += 1 }
            state.readers[state.nextReader] = continuation
            return state.nextReader
        }
        defer { state.withLock { $0.readers[id] = nil } }
        return try await body(news)
    }

    /// What changed since the reader was told last; all of it the first time.
    ///
    /// - Parameter revision: that it was told; 0: nothing yet. Moved on to what it is told now.
    /// - Returns: one JSON object, without the parts that did not change; nil where nothing did.
    func news(since revision: inout UInt64) -> [UInt8]? {
        state.withLock { state in
            guard state.revision > revision else { return nil }
            let isWhole = revision == 0 || revision < state.mirror.completeSince
            let since = isWhole ? 0 : revision
            revision = state.revision
            return state.write(since: since)
        }
    }
}

extension DashboardModel.State {
    fileprivate func write(since: UInt64) -> [UInt8]? {
        let isWhole = since == 0
        let (changed, gone) = mirror.changes(since: since)
        let changes = mirror.feed.since(since)
        guard
            isWhole || !changed.isEmpty || !gone.isEmpty || !changes.isEmpty || registryRevision > since
                || trafficRevision > since
        else { return nil }
        var json = JSONWriter(reservingCapacity: 256 + changed.count * 128)
        json.beginObject()
        if isWhole { json.member("whole", true) }
        if !changed.isEmpty {
            json.key("rows")
            json.beginArray()
            for (name, entry) in changed { entry.writeRow(name, to: &json) }
            json.endArray()
        }
        if !gone.isEmpty { json.member("gone", gone.map(\.description)) }
        if !changes.isEmpty {
            json.key("feed")
            json.beginArray()
            for change in changes { change.write(to: &json) }
            json.endArray()
        }
        if isWhole || registryRevision > since {
            json.key("registry")
            registry.write(all: isWhole, to: &json)
        }
        if isWhole || trafficRevision > since {
            json.key("traffic")
            traffic.write(to: &json)
        }
        if isWhole {
            json.key("pulse")
            pulse.write(to: &json)
        }
        json.endObject()
        return json.bytes
    }
}
