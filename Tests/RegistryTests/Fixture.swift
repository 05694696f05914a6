import EventLog
import MaterializedView
import RegistryModel
import Synchronization
import TestSupport
import Testing

@testable import Registry

/// Two clocks that stand still until a test moves them.
final class FakeClock: Sendable {
    private struct State {
        var wall = Timestamp.sample(0)
        var monotonic = MonotonicTime(rawValue: 1_000_000_000_000)
    }

    private let state = Mutex(State())

    /// Time passes.
    func advance(by duration: Duration) {
        state.withLock { state in
            state.wall = state.wall.advanced(by: duration)
            state.monotonic = state.monotonic.advanced(by: duration)
        }
    }

    /// Somebody sets the wall clock, or the machine was suspended.
    func setWall(forward duration: Duration) {
        state.withLock { $0.wall = $0.wall.advanced(by: duration) }
    }

    var wall: Timestamp {
        state.withLock { $0.wall }
    }

    var monotonic: MonotonicTime {
        state.withLock { $0.monotonic }
    }

    var source: RegistryClock.Source {
        RegistryClock.Source(wall: { self.wall }, monotonic: { self.monotonic })
    }
}

/// Waits for something that another thread does; fails after ten seconds.
func eventually(
    _ what: Comment,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// Things that threads told.
final class Gathered<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    func add(_ value: Value) {
        values.withLock { $0.append(value) }
    }

    var all: [Value] {
        values.withLock { $0 }
    }
}

/// What a registry under test told its operator.
struct Told: Sendable {
    let notices = Gathered<RegistryNotice>()
    let fatal = Gathered<RegistryError>()

    func says(_ part: String) -> Bool {
        notices.all.contains { $0.message.contains(part) }
    }
}

/// Options of a registry that is only there for a test: no reserve, and a ttl that the slowest machine does not outlast.
func testOptions(
    _ directory: String,
    _ change: (inout ServiceRegistry.Options) -> Void = { _ in }
) -> ServiceRegistry.Options {
    var options = ServiceRegistry.Options(dataDirectory: directory, reserveBytes: 0, version: "test")
    options.healthPolicy.ttl = .seconds(3_600)
    change(&options)
    return options
}

/// One life of a registry: opened, used, stopped cleanly, let go of.
func withRegistry<R>(
    _ options: ServiceRegistry.Options,
    telling told: Told = Told(),
    isolation: isolated (any _Concurrency.Actor)? = #isolation,
    _ body: (ServiceRegistry) async throws -> R
) async throws -> R {
    let registry = try ServiceRegistry.open(
        options,
        notice: { told.notices.add($0) },
        fatal: { told.fatal.add($0) }
    )
    do {
        let result = try await body(registry)
        await stop(registry)
        return result
    } catch {
        await stop(registry)
        throw error
    }
}

/// `stop` blocks for the writer's thread: never on a thread that tasks share.
private func stop(_ registry: ServiceRegistry) async {
    let stopping = WorkerThread(name: "test-stop") { registry.stop(reason: "test") }
    await join(stopping)
}

func join(_ thread: WorkerThread) async {
    await withCheckedContinuation { continuation in
        _ = WorkerThread(name: "test-join") {
            thread.join()
            continuation.resume()
        }
    }
}

let operatorActor = Actor(.uid(0))

extension ServiceRegistry {
    @discardableResult
    func register(_ instance: Instance, _ health: Health = .starting) async throws -> RegistrationReply {
        let command = Command.register(Registration(instance: instance, health: health))
        let outcome = try await submit(command, actor: operatorActor)
        guard case .registered(let reply) = outcome.reply else { throw RegistryError(.badRequest, "no registration") }
        return reply
    }

    /// Time passes in steps that are not taken for a stand-still of the registry, each looked at before the next.
    func pass(_ duration: Duration, on clock: FakeClock) async throws {
        for _ in 0..<Int(duration.milliseconds / 400) {
            let looks = metrics.deadlineLag.snapshot.counts.reduce(0, +)
            clock.advance(by: .milliseconds(400))
            try await eventually("a look at the deadlines") {
                metrics.deadlineLag.snapshot.counts.reduce(0, +) > looks
            }
        }
    }

    func ids(of service: String) throws -> [String] {
        let name = try ServiceName(service)
        return try view.read { snapshot in try snapshot.instances(of: name).map(\.0.key.id.description) }
    }

    func state(_ service: String, _ id: String) throws -> InstanceState? {
        let key = try sampleKey(service, id)
        return try view.read { snapshot in try snapshot.state(of: key) }
    }
}

/// All that a view says, in order, to compare views by.
func contents(of view: RegistryView) throws -> [String] {
    try view.read { snapshot in
        var lines: [String] = []
        try snapshot.forEachService(after: nil, limit: .max) { service in lines.append("\(service)") }
        try snapshot.forEachInstance { key, state, lease in
            let fragment = try snapshot.withFragment(of: key) { String(decoding: $0, as: UTF8.self) }
            lines.append("\(key) \(state) \(lease) \(fragment ?? "")")
        }
        lines.append("\(try snapshot.totals) \(try snapshot.registry)")
        return lines
    }
}

/// Everything in a data directory's log.
func events(in directory: String) throws -> [Event] {
    var found: [Event] = []
    try LogReader(directory: directory + "/log", stream: .log).forEach(from: SequenceNumber(1)) { event, _ in
        found.append(event)
        return true
    }
    return found
}
