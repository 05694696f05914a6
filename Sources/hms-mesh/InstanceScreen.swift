import Identity
import Mesh
import RegistryModel
import Supervision
import Synchronization
import Terminal

/// What people see of one instance under `dev`: the four lines in their order, then the lines of application and mesh as they
/// come. The application's own wait for the four, a second at most.
final class InstanceScreen: Sendable {
    private struct State {
        var facts: [DevScreen.Step] = []
        var details: DevScreen.Details?
        var isOpen = false
        var held: [String] = []
        var application: OutputPrefixer
        var hasBegun = false
    }

    private let output: Output
    private let screen: DevScreen
    private let mesh: OutputPrefixer
    private let showsSteps: Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - label: `app`, or `app:7000` with several instances.
    ///   - showsSteps: only the first of several instances tells of certificate and registration.
    init(_ output: Output, label: String, width: Int, showsSteps: Bool) {
        self.output = output
        screen = DevScreen(output: output)
        self.showsSteps = showsSteps
        let style = output.style
        mesh = OutputPrefixer(label: "mesh", width: width, paint: { style.bold($0) })
        state = Mutex(State(application: OutputPrefixer(label: label, width: width, paint: { style.dim($0) })))
    }

    /// What has come about; shown as soon as what stands above it is.
    func reached(_ step: DevScreen.Step) {
        state.withLock { state in
            state.facts.append(step)
            showReady(&state)
        }
    }

    func explain(_ details: DevScreen.Details) {
        state.withLock { $0.details = details }
    }

    /// What the application wrote.
    func application(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            let lines = state.application.take(bytes)
            if !lines.isEmpty { show(lines, &state) }
        }
    }

    /// A line of the mesh's own.
    func mesh(_ text: String) {
        state.withLock { show(mesh.line(text), &$0) }
    }

    /// The application's lines go on, whatever is still missing above them.
    func open() {
        state.withLock { open(&$0) }
    }

    func finish() {
        state.withLock { state in
            open(&state)
            let rest = state.application.finish()
            if !rest.isEmpty { output.write(rest) }
        }
    }

    private func show(_ lines: String, _ state: inout State) {
        if state.isOpen { output.write(lines) } else { state.held.append(lines) }
    }

    private func open(_ state: inout State) {
        guard !state.isOpen else { return }
        state.isOpen = true
        for lines in state.held { output.write(lines) }
        state.held = []
    }

    private func showReady(_ state: inout State) {
        while let next = order(state.facts).first {
            state.facts.removeAll { $0 == next }
            if case .running = next {
                screen.show(next)
                if let details = state.details { screen.show(details) }
                open(&state)
            } else if showsSteps {
                screen.show(next)
            }
            state.hasBegun = true
            shown.withLock { _ = $0.insert(rank(next)) }
        }
    }

    private let shown = Mutex(Set<Int>())

    /// Those whose turn it is.
    private func order(_ facts: [DevScreen.Step]) -> [DevScreen.Step] {
        let due = shown.withLock { shown in (0..<4).first { !shown.contains($0) } ?? 4 }
        return facts.filter { rank($0) == due }
    }

    private func rank(_ step: DevScreen.Step) -> Int {
        switch step {
        case .injected: 0
        case .certificateIssued: 1
        case .registered: 2
        case .running: 3
        }
    }
}
