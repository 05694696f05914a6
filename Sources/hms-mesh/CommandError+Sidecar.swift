import Mesh
import Supervision
import Terminal

extension CommandError {
    /// Why a sidecar can't start: who is where it would listen, and how to have it elsewhere.
    init(_ error: SidecarError) {
        self.init(error.message, exitCode: .notSo)
        guard let listener = error.listener else { return }
        if listener.isTaken, let owner = PortOwner.of(port: listener.port).first {
            reasons = ["port \(listener.port) is taken by \(owner.description)"]
        }
        switch listener.purpose {
        case .outbound: hint = "another place for the application's calls: --outbound HOST:PORT or unix:PATH"
        case .metrics: hint = "another place for scrapers: --admin-listen HOST:PORT"
        default: hint = "another place for others' calls: --advertise HOST:PORT, or mesh.inbound in hms.yml"
        }
    }
}
