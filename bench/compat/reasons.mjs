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
  { suite: 'llama', test: /_props|_slots/, reason: 'Routes that say how llama.cpp itself is set up; `/v1/models`, `/metrics` and `/ready` say it here.' },
  { suite: 'llama', test: /with_grammar/, reason: 'GBNF is refused by the field’s name; `json_schema`, `guided_regex` and `guided_choice` hold answers to a form.' },
  { suite: 'llama', test: /timings_per_token/, reason: 'A field of llama.cpp’s own; OpenAI’s `usage` is given.' },
  { suite: 'llama', test: /\[\{"type":"text"/, reason: 'Parts of text are put together as they are; llama.cpp puts a line end between them.' },
  { suite: 'llama', test: /test_chat_completion|with_openai_library/, reason: 'The words that llama.cpp’s own sampler draws from seed 42; the generator of random numbers is another here. Greedy answers are compared in `test/llama-parity.test.ts`.' },
  { suite: 'llama', test: /invalid_chat_completion_req/, reason: 'Two answers one after the other are taken as they stand; llama.cpp refuses them because it goes on with the last one.' },
  { suite: 'llama', test: /context_size_exceeded/, reason: 'OpenAI’s type and code of this error (`invalid_request_error`, `context_length_exceeded`), which OpenAI’s clients know; llama.cpp has its own.' },
  { suite: 'llama', test: /embedding_mixed_input|tokens_input/, message: /string/, reason: 'Texts and tokens mixed within one prompt are llama.cpp’s own; texts and lists of tokens beside each other are taken.' },
  { suite: 'llama', test: /prompt_too_long/, reason: 'Refused as expected; the suite looks for the words “too large” in the message.' },
  { suite: 'llama', test: /public_endpoint\[\/v1\/models/, reason: 'Which models there are is told to those who have a key only.' },
  { suite: 'llama', test: /cors_options/, reason: 'Allowed with `--cors`, by origin; the server never lets pages send credentials, so it answers `*` or the origin, and only the headers that are asked for.' },
  { suite: 'ollama', test: /BlueSky/, reason: 'The model of the package books tables and taxis; it does not know why the sky is blue.' },
  { suite: 'ollama', test: /APIShowModel/, reason: 'Fields of a Modelfile (`modelfile`, `parameters`), which there is none of; the licence only where the file names one.' },
  { suite: 'ollama', test: /LongInputContext/, reason: 'One message longer than the context is refused (400) rather than cut without a word; of long conversations the oldest turns are left out.' },
  { suite: 'ollama', test: /ToolCalling|ToolRoutes/, reason: 'The requests are answered; the model of the package has 5 million weights and calls no tool unasked. With `tool_choice` it is made to.' },
  { suite: 'ollama', test: /Embed(Truncation|StatusCode)/, reason: 'The context is set when the server starts, not by `num_ctx`; texts that do not fit into it are cut or refused as `truncate` says.' },
]; // biome-ignore format: a table
