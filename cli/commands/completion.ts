import { Argument, Command } from 'commander'
import { candidates, type AddCommands } from '../completions.js'

/** For each shell, what makes it ask this program what could come next. It proposes files where the program has nothing to say. */
const scripts = {
  bash: `_puzzleflow() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    [[ -n $line ]] && COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(puzzleflow complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ \${COMPREPLY[0]-} == */ ]] && compopt -o nospace
}
complete -o default -F _puzzleflow puzzleflow
`,
  zsh: `#compdef puzzleflow
_puzzleflow() {
  local -a lines found
  local line tab=$'\\t'
  lines=("\${(@f)$(puzzleflow complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    [[ -n $line ]] && found+=("\${\${line//:/\\\\:}/$tab/:}")
  done
  if (( $#found )); then _describe puzzleflow found; else _files; fi
}
compdef _puzzleflow puzzleflow
# A folder of functions loads this file when it is first needed.
[[ $funcstack[1] == _puzzleflow ]] && _puzzleflow "$@"
`,
  fish: `function __puzzleflow_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (puzzleflow complete -- $words[2..] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c puzzleflow -f -a '(__puzzleflow_complete)'
`,
} as const

/** Completion of command lines. @param addCommands  of which there are completions */
export const completionCommands = (addCommands: AddCommands) => (program: Command) => {
  program
    .command('completion')
    .description('print a script that completes command lines: commands, options, runs, stages')
    .addArgument(new Argument('<shell>').choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts) => void process.stdout.write(scripts[shell]))
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const found = await candidates(new Command('puzzleflow'), words, addCommands)
      for (const { word, about } of found)
        process.stdout.write(about === undefined ? `${word}\n` : `${word}\t${about.replace(/\s+/g, ' ')}\n`)
    })
}
