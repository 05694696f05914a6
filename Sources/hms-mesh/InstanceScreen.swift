import Mesh
import Supervision
import Synchronization
import Terminal

/// What people see of one instance under `dev`: the four lines in their order, then the lines of application and mesh as they
/// come. The application's own wait for the four, a second at most.
final class InstanceScreen: Sendable {
    private struct State {
        var reached: [DevScreen.Step] = []
        /// How many of the four were shown.
        var shown = 0
        var details: DevScreen.Details?
        var isOpen = false
        var held: [(lines: String, isError: Bool)] = []
        var output: OutputPrefixer
        var errors: OutputPrefixer
    }

    /// Lines that may wait for the four.
    private static let mostHeld = 10_000

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
        let application = OutputPrefixer(label: label, width: width, paint: { style.dim($0) })
        state = Mutex(State(output: application, errors: application))
    }

    /// What has come about; shown as soon as what stands above it is.
    func reached(_ step: DevScreen.Step) {
        state.withLock { state in
            state.reached.append(step)
            showReady(&state)
        }
    }

    func explain(_ details: DevScreen.Details) {
        state.withLock { $0.details = details }
    }

    /// What the application wrote, to the stream that it wrote it to.
    func application(_ stream: ChildProcess.Stream, _ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            switch stream {
            case .output: show(state.output.take(bytes), isError: false, &state)
            case .errors: show(state.errors.take(bytes), isError: true, &state)
            }
        }
    }

    /// A line of the mesh's own.
    func mesh(_ text: String) {
        state.withLock { show(mesh.line(text), isError: true, &$0) }
    }

    /// The application's lines go on, whatever is still missing above them.
    func open() {
        state.withLock { open(&$0) }
    }

    func finish() {
        state.withLock { state in
            open(&state)
            show(state.output.finish(), isError: false, &state)
            show(state.errors.finish(), isError: true, &state)
        }
    }

    private func show(_ lines: String, isError: Bool, _ state: inout State) {
        guard !lines.isEmpty else { return }
        if state.isOpen {
            write(lines, isError: isError)
        } else {
            state.held.append((lines, isError))
            if state.held.count >= Self.mostHeld { open(&state) }
        }
    }

    private func write(_ lines: String, isError: Bool) {
        if isError { output.note(String(lines.dropLast())) } else { output.write(lines) }
    }

    private func open(_ state: inout State) {
        guard !state.isOpen else { return }
        state.isOpen = true
        for (lines, isError) in state.held { write(lines, isError: isError) }
        state.held = []
    }

    private func showReady(_ state: inout State) {
        while let index = state.reached.firstIndex(where: { $0.rank == state.shown }) {
            let step = state.reached.remove(at: index)
            state.shown += 1
            guard case .running = step else {
                if showsSteps { screen.show(step) }
                continue
            }
            screen.show(step)
            if let details = state.details { screen.show(details) }
            open(&state)
        }
    }
}

extension DevScreen.Step {
    /// Its place among the four.
    fileprivate var rank: Int {
        switch self {
        case .injected: 0
        case .certificateIssued: 1
        case .registered: 2
        case .running: 3
        }
    }
}
