import ArgumentParser

struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Print what makes a shell complete swiftlet's commands and flags.",
        discussion: """
            Examples:
              source <(swiftlet completion bash)
              swiftlet completion zsh > "${fpath[1]}/_swiftlet"
              swiftlet completion fish > ~/.config/fish/completions/swiftlet.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish

        var shell: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "The shell that reads it.")
    var shell: Shell

    func run() {
        print(Swiftlet.completionScript(for: shell.shell))
    }
}
