import ArgumentParser
import Mesh
import RegistryModel
import Synchronization
import Terminal

/// Many calls at a fixed number in flight, and a summary: how many, how fast, which instances, what failed.
struct LoadRun: Sendable {
    let service: String
    let request: SidecarCaller.Request
    let requests: Int
    let concurrency: Int
    let isJSON: Bool
    let printing: Output

    private final class Shared: Sendable {
        let tally = Mutex(LoadTally())
    }

    func run(through choice: SidecarChoice) async throws {
        let shared = Shared()
        let signals = StopSignals()
        // Ctrl-C ends the load, and what it came to is shown all the same.
        let stopping = Task {
            let number = await signals.received()
            shared.tally.withLock { $0.stop() }
            return number
        }
        let before = await upstream(choice)
        let clock = ContinuousClock()
        let began = clock.now
        await work(choice, shared, clock)
        let took = began.duration(to: clock.now)
        signals.giveUp()
        let signal = await stopping.value
        let summary = LoadSummary(
            tally: shared.tally.withLock { $0 },
            seconds: took.inSeconds,
            before: before,
            after: await upstream(choice)
        )
        if isJSON {
            printing.write(summary.json())
        } else {
            for line in summary.rendered(printing.errorStyle, printing.symbols) { printing.note(line) }
        }
        if signal > 0 { throw ExitCode(128 + signal) }
        if summary.tally.succeeded < requests { throw ExitCode.notSo }
    }

    private func work(_ choice: SidecarChoice, _ shared: Shared, _ clock: ContinuousClock) async {
        let bar = ProgressBar("calling", noun: "requests")
        await withTaskGroup(of: Void.self) { group in
            let watching = Task {
                while !Task.isCancelled {
                    bar.update(UInt64(shared.tally.withLock { $0.done }), of: UInt64(requests))
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
            for _ in 0..<min(concurrency, requests) { group.addTask { await self.call(choice, shared, clock) } }
            await group.waitForAll()
            watching.cancel()
            await watching.value
        }
        bar.finish()
    }

    private func call(_ choice: SidecarChoice, _ shared: Shared, _ clock: ContinuousClock) async {
        guard let caller = try? SidecarCaller(address: choice.outbound) else { return }
        while shared.tally.withLock({ $0.start(of: requests) }) {
            let began = clock.now
            let result: Result<SidecarCaller.Response, any Error>
            do {
                result = .success(try await caller.call(request))
            } catch {
                result = .failure(error)
            }
            let took = began.duration(to: clock.now)
            let microseconds = took.components.seconds * 1_000_000 + took.components.attoseconds / 1_000_000_000_000
            shared.tally.withLock { $0.take(result, microseconds) }
        }
    }

    /// What the sidecar knows of the service's instances; nil where it can't be asked, or has not called it yet.
    private func upstream(_ choice: SidecarChoice) async -> SidecarStatus.Upstream? {
        guard let admin = choice.admin, let status = try? await SidecarStatus.of(admin) else { return nil }
        return status.upstreams.first { $0.service == service }
    }
}
