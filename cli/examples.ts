import type { Command } from 'commander'
import { entryOf } from '../errors/foreign.js'

/** Examples of each command, without the program's name, as `--help` shows them. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  init: [
    'init ./parent',
    'init ./parent --data train.jsonl --tasks ./tasks --throughput 2x --within 8h -o search.yaml',
  ],
  validate: ['validate search.yaml', 'validate search.yaml --set target.limits.throughput=">= 2x"'],
  plan: ['plan search.yaml', 'plan search.yaml --set stages.distill.tokens=20k --json'],
  graph: ['graph search.yaml > pipeline.mmd', 'graph search.yaml --format dot | dot -Tsvg > pipeline.svg'],
  schema: ['schema > spec.schema.json', 'schema --spec search.yaml > search.schema.json', 'schema result'],
  solve: ['solve problem.json'],
  run: [
    'run search.yaml',
    'run search.yaml --run faster --set target.limits.throughput=">= 3x"',
    'run search.yaml --until profile --quiet',
    'run search.yaml --detach --json',
  ],
  'server start': ['server start'],
  'server status': ['server status --json'],
  'server stop': ['server stop'],
  worker: [
    'worker --slots 4',
    'worker --store s3://bucket/searches --address temporal.example:7233',
    'worker --queue gpu',
  ],
  sweep: ['sweep search.yaml --limit throughput=1.5x..4x --points 8 --measure'],
  list: ['list', 'list --json'],
  status: ['status', 'status quickstart'],
  watch: ['watch quickstart', 'watch quickstart --verbose'],
  result: ['result quickstart', 'result quickstart --json'],
  scores: ['scores quickstart', 'scores quickstart --csv > scores.csv'],
  profile: ['profile quickstart -o costs.json', 'profile quickstart --again'],
  report: ['report quickstart', 'report quickstart -o page.html', 'report quickstart --watch'],
  compare: ['compare quickstart other', 'compare quickstart other --json'],
  explain: ['explain quickstart distill/layer03/ffn/swiglu-256'],
  generate: [
    'generate runs/quickstart/child --prompt "copy fox owl seal bear =" -n 4',
    'generate runs/quickstart/child --tokens 1,17,23 --temperature 0.8 --seed 7',
  ],
  evaluate: ['evaluate runs/quickstart/child --data validate.jsonl'],
  logits: ['logits runs/quickstart/child --tokens tokens.json -o logits.safetensors'],
  export: ['export runs/quickstart/child --format gguf -o child-gguf'],
  pause: ['pause quickstart'],
  resume: ['resume quickstart'],
  cancel: ['cancel quickstart'],
  concurrency: ['concurrency quickstart 8'],
  retry: ['retry quickstart distill/layer03/ffn/swiglu-256'],
  skip: ['skip quickstart distill/layer03/ffn/swiglu-256 --reason "does not converge"'],
  approve: ['approve quickstart check', 'approve quickstart check --refuse --comment "too slow"'],
  'plugins ls': ['plugins ls', 'plugins ls --spec search.yaml --allow-plugin ./my-blocks'],
  'artifacts ls': ['artifacts ls', 'artifacts ls quickstart'],
  'artifacts get': ['artifacts get quickstart report report.md -o report.md'],
  'artifacts verify': ['artifacts verify'],
  'artifacts sign': ['artifacts sign'],
  'artifacts gc': ['artifacts gc --keep quickstart', 'artifacts gc --older-than 12h --apply'],
  codec: ['codec --port 8888'],
  doctor: ['doctor', 'doctor --json'],
  completion: [
    'completion bash >> ~/.bashrc',
    'completion zsh > ~/.zfunc/_puzzleflow',
    'completion fish > ~/.config/fish/completions/puzzleflow.fish',
  ],
}

/** Commands that do something themselves, with their names as they are typed. */
export function* leaves(program: Command, before = ''): Iterable<readonly [name: string, command: Command]> {
  for (const command of program.commands) {
    const name = `${before}${command.name()}`
    if (command.commands.length === 0) yield [name, command]
    else yield* leaves(command, `${name} `)
  }
}

/** Adds its examples to the help of each command. */
export function addExamples(program: Command): void {
  for (const [name, command] of leaves(program)) {
    const lines = entryOf(examples, name)
    if (lines)
      command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${program.name()} ${line}`).join('\n')}`)
  }
}
