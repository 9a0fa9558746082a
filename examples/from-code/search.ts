// Checks, plans, runs and follows a search: node search.js [SPEC]
import { BadSpec, Cancelled, Failure, follow, plan, run } from 'puzzleflow'

const spec = process.argv[2] ?? 'search.yaml'
try {
  const { stages, warnings } = await plan(spec)
  for (const { line, message } of warnings) console.warn(`${spec}:${line} ${message}`)
  for (const { stage, tasks, reused } of stages)
    if (reused > 0) console.log(`${stage}: ${reused} of ${tasks} tasks done before`)

  const started = await run(spec)
  const { outcome, folder } = await follow(started, ({ fraction }) => {
    console.warn(`${Math.round(100 * fraction)} %`)
  })
  console.log(`${outcome?.text ?? 'Done.'} See ${folder}.`)
  // 7, as of the command: the search has ended and found nothing acceptable.
  if (outcome?.ok === false) process.exitCode = 7
} catch (error) {
  process.exitCode = 1
  if (error instanceof BadSpec)
    for (const { file, line, column, message, hint } of error.diagnostics)
      console.error(`${file}:${line}:${column} ${message}${hint ? ` (${hint})` : ''}`)
  else if (error instanceof Failure) console.error(`${error.kind}: ${error.message}\n${error.remedy ?? ''}`)
  else if (error instanceof Cancelled) console.error(error.message)
  else throw error
}
