/// Back-pressure on a channel: while it is closed the channel's wish to read is held back, and made good when it opens.
struct ReadGate {
    private var isOpen = true
    private var isHeld = false

    /// Asked at each `read`.
    mutating func letsPass() -> Bool {
        if !isOpen { isHeld = true }
        return isOpen
    }

    /// - Returns: whether a read was held back that is due now.
    mutating func set(open: Bool) -> Bool {
        isOpen = open
        guard open, isHeld else { return false }
        isHeld = false
        return true
    }
}
