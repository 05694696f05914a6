import AsyncHTTPClient
import Logging
import MaterializedView
import NIOCore
import NIOHTTP1
import Registry
import RegistryModel
import ServiceLifecycle

/// Probes external services, which can't beat for themselves: HEAD, and GET where HEAD is not offered, every ten
/// seconds, TLS with the system's trust roots and the host's name checked.
///
/// An answer below 500 says that the service is there; what it thinks of an anonymous request is its own affair.
struct ExternalProber: Service {
    static let interval = Duration.seconds(10)
    static let timeout = TimeAmount.seconds(5)
    /// A new one is probed about this soon.
    static let tick = Duration.milliseconds(250)
    /// Probes under way at once.
    static let concurrency = 32

    let registry: ServiceRegistry
    let eventLoopGroup: any EventLoopGroup
    let logger: Logger

    func run() async throws {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: Self.timeout, read: Self.timeout)
        )
        configuration.httpVersion = .http1Only
        let client = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in await startProbes(with: client, in: &group) }
        }
        try await client.shutdown()
    }

    /// Starts each service's probe when it is due, whatever the others' take, until cancelled.
    private func startProbes(with client: HTTPClient, in group: inout DiscardingTaskGroup) async {
        let schedule = ProbeSchedule(interval: Self.interval, concurrency: Self.concurrency)
        var listedAt: (added: UInt64, time: ContinuousClock.Instant)?
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let added = registry.externalServicesAdded
            if listedAt.map({ $0.added != added || now - $0.time >= Self.interval }) ?? true {
                listedAt = (added, now)
                do {
                    schedule.replaceTargets(try externalInstances(), now: now)
                } catch {
                    logger.warning("external services can't be read from the view: \(error)")
                }
            }
            for target in schedule.takeDue(now: now) {
                group.addTask {
                    let (health, detail) = await result(of: target.url, client)
                    // Cut short by the registry's own end, it says nothing of the service.
                    guard !Task.isCancelled else { return }
                    registry.reportProbe(of: target.key, handle: target.handle, health: health, detail: detail)
                    schedule.finished(target.key)
                }
            }
            try? await Task.sleep(for: Self.tick)  // cut short by cancellation: the loop ends then
        }
        group.cancelAll()
    }

    private func externalInstances() throws -> [ProbeTarget] {
        try registry.view.read { (snapshot) throws -> [ProbeTarget] in
            var services: [ServiceName] = []
            try snapshot.forEachService(after: nil, limit: .max) { if $0.isExternal { services.append($0.name) } }
            return try services.flatMap { service in
                try snapshot.instances(of: service).compactMap { instance, state in
                    instance.externalURL.map { ProbeTarget(key: instance.key, handle: state.handle, url: $0) }
                }
            }
        }
    }

    private func result(of url: String, _ client: HTTPClient) async -> (Health, String) {
        do {
            var status = try await answer(to: .HEAD, url, client)
            if status == .methodNotAllowed || status == .notImplemented {
                status = try await answer(to: .GET, url, client)
            }
            return (status.code < 500 ? .healthy : .unhealthy, "answered \(status.code)")
        } catch {
            return (.unhealthy, String("\(error)".prefix(Instance.Limits.detail / 4)))
        }
    }

    private func answer(to method: HTTPMethod, _ url: String, _ client: HTTPClient) async throws -> HTTPResponseStatus {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "user-agent", value: "hms-regd probe")
        return try await client.execute(request, timeout: Self.timeout).status
    }
}
