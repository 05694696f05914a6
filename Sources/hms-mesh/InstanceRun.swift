import ArgumentParser
import Glibc
import Identity
import Mesh
import MeshManifest
import RegistryClient
import RegistryModel
import Supervision
import Synchronization
import Terminal

/// One instance from start to end: its sidecar, its application, and what people are told of both.
struct InstanceRun: Sendable {
    let plan: LaunchPlan
    let screen: InstanceScreen
    let symbols: Symbols
    let registryText: String
    let isDevelopment: Bool
    /// Who started this process and wants to hear how it is.
    private let manager = ServiceManager(environment: Environment.variable)

    /// How an instance came to its end.
    private enum Ending: Sendable {
        case signal(Int32)
        case application(TerminationStatus)
        case superseded
    }

    /// - Parameter signals: what ends it from outside.
    /// - Returns: the exit code, as the command's where the command ended by itself.
    func run(until signals: StopSignals) async throws -> Int32 {
        let facts = Facts()
        let sidecar: Sidecar
        do {
            sidecar = try await Sidecar.start(configuration(facts)) { hear($0, facts) }
        } catch let error as SidecarError {
            throw CommandError(error)
        } catch let error as RegistryClientError {
            let exitCode: ExitCode = error.code != .untrustedRegistry && error.isRefusal ? .notAllowed : .unreachable
            throw CommandError(error.message, hint: error.hint, exitCode: exitCode)
        }
        let began = ContinuousClock.now
        let keeping = Task { await sidecar.run() }
        let folder = "\(plan.directory)/.hms/\(plan.manifest.service.name)-\(plan.port)"
        try writeFile(sidecar, folder)
        defer { unlink(folder + "/sidecar.json") }
        explain(sidecar)
        let child: ChildProcess?
        do {
            child = try startApplication(sidecar)
        } catch let error as SupervisionError {
            await stop(sidecar, keeping)
            throw CommandError(error.message, exitCode: ExitCode(error.shellCode))
        }
        facts.use(child: child?.pid)
        // A sidecar whose registry is away serves all the same.
        manager.ready("calls are taken at \(sidecar.outboundAddress)")
        let watching = Task { await watch(sidecar) }
        let opening = Task {
            try await Task.sleep(for: .seconds(1))
            screen.open()
        }
        let ending = await ending(child, signals, facts)
        opening.cancel()
        watching.cancel()
        manager.stopping()
        let code = await end(ending, sidecar, child, keeping, ran: ContinuousClock.now - began)
        screen.finish()
        return code
    }

    /// Says that the sidecar is alive, each time after its event loops have turned.
    private func watch(_ sidecar: Sidecar) async {
        guard let interval = manager.watchdog else { return }
        while !Task.isCancelled {
            await sidecar.turns()
            manager.isAlive()
            try? await Task.sleep(for: interval / 3)  // cut short by cancellation: the loop ends then
        }
    }

    private func configuration(_ facts: Facts) -> SidecarConfiguration {
        var configuration = plan.configuration
        let watch = PortWatch(port: plan.port)
        let mayBeExposed = plan.manifest.service.isExposed || isDevelopment
        let screen = screen
        let arrow = symbols.next
        configuration.objection = {
            let (owners, fault) = watch.look(startedBy: facts.child)
            if let restart = facts.restart(of: owners) {
                screen.mesh("the application was restarted: \(restart.former) \(arrow) \(restart.present)")
            }
            guard let fault else { return nil }
            switch fault {
            case .taken, .foreign: return fault.message
            case .exposed:
                facts.noteExposure(fault.message)
                return mayBeExposed ? nil : "app-port-exposed: \(fault.message)"
            }
        }
        return configuration
    }

    private func writeFile(_ sidecar: Sidecar, _ folder: String) throws {
        let file = SidecarFile(
            service: plan.manifest.service.name.description,
            id: plan.configuration.instance.description,
            outbound: sidecar.outboundAddress,
            admin: sidecar.adminSocket,
            pid: getpid()
        )
        do {
            try file.write(to: folder)
        } catch {
            // A folder that can't be written to costs the SDK's own search; HMS_MESH_ADDR still says it.
            guard isDevelopment else { return }
            screen.mesh("\(symbols.warning) \(folder) can't be written: programs started elsewhere need HMS_MESH_ADDR")
        }
    }

    private func startApplication(_ sidecar: Sidecar) throws -> ChildProcess? {
        guard let command = plan.command else { return nil }
        let environment = ChildEnvironment(
            port: plan.port,
            meshAddress: sidecar.outboundAddress,
            setsProxy: plan.proxies
        )
        return try ChildProcess(
            running: command,
            environment: environment.variables(over: plan.environment),
            in: plan.directory
        ) { stream, bytes in screen.application(stream, bytes) }
    }

    // MARK: The end

    /// Whatever comes first. What is waited for besides ends with the process.
    private func ending(_ child: ChildProcess?, _ signals: StopSignals, _ facts: Facts) async -> Ending {
        let (endings, continuation) = AsyncStream<Ending>.makeStream()
        Task { continuation.yield(.signal(await signals.received())) }
        if let child { Task { continuation.yield(.application(await child.exitStatus())) } }
        Task {
            await facts.superseded()
            continuation.yield(.superseded)
        }
        var iterator = endings.makeAsyncIterator()
        return await iterator.next() ?? .signal(SIGTERM)
    }

    /// What keeps the sidecar going ends first: nothing may be left for its event loops to do when they stop.
    private func stop(_ sidecar: Sidecar, _ keeping: Task<Void, Never>) async {
        keeping.cancel()
        await keeping.value
        await sidecar.stop()
    }

    private func end(
        _ ending: Ending,
        _ sidecar: Sidecar,
        _ child: ChildProcess?,
        _ keeping: Task<Void, Never>,
        ran: Duration
    ) async -> Int32 {
        let seconds = ran.inSeconds
        switch ending {
        case .application(let status):
            // What it started may live on in its group.
            await child?.stop()
            await stop(sidecar, keeping)
            let words = "\(plan.commandText) \(status.words) after \(HumanText.duration(milliseconds: seconds * 1_000))"
            screen.mesh(
                "\(status == .exited(0) ? symbols.done : symbols.wrong) \(words) \(symbols.separator) drained, deregistered"
            )
            return status.shellCode
        case .signal:
            screen.mesh(
                "draining: no new requests, \(Int(plan.configuration.drainTime.components.seconds))s for those under way"
            )
            await sidecar.drain()
            let status = await child?.stop()
            await stop(sidecar, keeping)
            screen.mesh(
                "\(symbols.done) drained, deregistered\(status.map { " \(symbols.separator) \(plan.commandText) \($0.words)" } ?? "")"
            )
            return 0
        case .superseded:
            screen.mesh(
                "\(symbols.wrong) another instance of \(plan.configuration.service)/\(plan.configuration.instance) has taken over"
            )
            await child?.stop()
            await stop(sidecar, keeping)
            return 1
        }
    }

    // MARK: What is told

    private func explain(_ sidecar: Sidecar) {
        screen.explain(
            DevScreen.Details(
                registry: registryText,
                identity: "spiffe://\(sidecar.trustDomain)/svc/\(plan.manifest.service.name)",
                renewsIn: sidecar.renewsIn,
                outbound: sidecar.outboundAddress,
                inbound: sidecar.inboundAddress ?? "-",
                plain: sidecar.plainPort.map { "http://127.0.0.1:\($0)" },
                service: plan.manifest.service.name
            )
        )
    }

    private func hear(_ event: SidecarEvent, _ facts: Facts) {
        switch event {
        case .injected: screen.reached(.injected)
        case .certificateIssued:
            if facts.isFirst("certificate") {
                screen.reached(.certificateIssued(commonName: plan.manifest.service.name.description))
            }
        case .registered(_, let registry): screen.reached(.registered(at: registry))
        case .healthChanged(let from, let to, let detail):
            screen.mesh("\(from) \(symbols.next) \(to) (\(detail))")
            if to == .healthy, facts.isFirst("running") { screen.reached(.running(port: plan.port)) }
            if let exposure = facts.exposure, facts.isFirst("exposure") {
                screen.mesh("\(symbols.warning) \(exposure)")
                screen.mesh("\(symbols.next) listen on 127.0.0.1 (HOST is set to it for the app)")
            }
        case .certificateNotRenewed(let why): screen.mesh("\(symbols.warning) the certificate was not renewed: \(why)")
        case .registryLost(let why):
            screen.mesh("\(symbols.warning) registry unreachable, routing goes on from the last known view: \(why)")
        case .registrationRefused(let why): screen.mesh("\(symbols.wrong) the registry refuses this instance: \(why)")
        case .registryBack: screen.mesh("registry connected")
        case .superseded: facts.supersede()
        }
    }
}

/// What becomes known while an instance runs.
private final class Facts: Sendable {
    private struct State {
        var child: Int32?
        var owners: [PortOwner] = []
        var seen: Set<String> = []
        var exposure: String?
        var isSuperseded = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var child: Int32? { state.withLock { $0.child } }
    var exposure: String? { state.withLock { $0.exposure } }

    func use(child: Int32?) {
        state.withLock { $0.child = child }
    }

    /// Takes in who listens on the application's port.
    ///
    /// - Returns: who did and who does, where none of the processes that did is left.
    func restart(of owners: [PortOwner]) -> (former: String, present: String)? {
        state.withLock { state in
            let former = state.owners
            let pids = owners.compactMap(\.pid)
            guard let present = owners.first, !pids.isEmpty else { return nil }
            state.owners = owners
            guard let last = former.first, !former.contains(where: { $0.pid.map(pids.contains) ?? false }) else {
                return nil
            }
            return (last.description, present.description)
        }
    }

    func noteExposure(_ message: String) {
        state.withLock { $0.exposure = message }
    }

    func isFirst(_ what: String) -> Bool {
        state.withLock { $0.seen.insert(what).inserted }
    }

    func supersede() {
        let waiting = state.withLock { state in
            state.isSuperseded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func superseded() async {
        await withCheckedContinuation { continuation in
            let isSuperseded = state.withLock { state in
                if state.isSuperseded { return true }
                state.waiting.append(continuation)
                return false
            }
            if isSuperseded { continuation.resume() }
        }
    }
}
