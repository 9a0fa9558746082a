// `npm start`: set-up, then the quickstart search, run or resumed. What is given after `--` goes on to the command.
import { spawnSync } from 'node:child_process'
import { buildServer } from './server.mjs'
import { build, install, root } from './setup.mjs'

// It takes as long as all the rest of set-up, or longer: both go on at once.
const server = buildServer()
install()
build()
await server

/** Runs a command of puzzleflow in this terminal and returns its exit code. */
function puzzleflow(...args) {
  const done = spawnSync(process.execPath, ['dist/cli/main.js', ...args], { cwd: root, stdio: 'inherit' })
  return done.status ?? 130
}

const rest = process.argv.slice(2)
const code = puzzleflow('run', 'examples/quickstart/search.yaml', '--run', 'quickstart', ...rest)
// 7: it has ended, and its child was not accepted.
const hasEnded = [0, 7].includes(code) && !rest.includes('--detach')
process.exitCode = hasEnded ? puzzleflow('result', 'quickstart') : code
if (hasEnded && process.stderr.isTTY)
  console.error(
    [
      '',
      'The same with charts: runs/quickstart/report.html',
      'Try the child: npx puzzleflow generate runs/quickstart/child --prompt "copy fox owl seal bear =" -n 4',
    ].join('\n'),
  )
