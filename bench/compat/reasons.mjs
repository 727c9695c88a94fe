// Owns why a test of another project does not pass here. A reason holds for tests whose name, and message where it is given, match.
export const REASONS = [
  {
    suite: 'langchain',
    test: /usage metadata for invoke/,
    reason: 'The suite looks for `response_metadata.model`; `@langchain/openai` names it `model_name`, whatever the server. Usage itself is there.',
  },
  {
    suite: 'langchain',
    test: /structured output/,
    reason: '`@langchain/openai` asks for `json_schema` where the suite expects function calling; the answer holds the schema.',
  },
  {
    suite: 'langchain',
    test: /tool use AI message|parallel tool calling|bind tools|tool params|stream tools|tokens with tool calls|complex tools/,
    reason: 'The model of the package has 6.5 million weights: it does not do two sums by itself, nor call a tool unasked. With `tool_choice` it is asked where that is enough.',
  },
  { suite: 'llama', test: /^test_completion /, message: /404/, reason: 'Asks `/completion` or `/completions`, llama.cpp’s own form; here is OpenAI’s, `/v1/completions`.' },
  { suite: 'llama', test: /./, message: /404/, reason: 'Asks a route that is not here (`/props`, `/slots`, `/v1/health`, `/infill`, …).' },
]; // biome-ignore format: a table
