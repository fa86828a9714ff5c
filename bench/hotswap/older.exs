# The way of the older task, for comparison: every module of the project by IEx.Helpers.nl/2,
# the whole set twice over, each call waited for. Run by `mix run` in a project.
if Version.match?(System.version(), ">= 1.15.0"), do: Mix.ensure_application!(:iex)
Logger.configure(level: :error)

node = String.to_atom(System.fetch_env!("BENCH_NODE"))
{:ok, _} = Node.start(:"older_#{System.pid()}@127.0.0.1")
Node.set_cookie(node, String.to_atom(System.fetch_env!("BENCH_COOKIE")))
true = Node.connect(node)

app = Mix.Project.config()[:app]
Application.load(app)
{:ok, modules} = :application.get_key(app, :modules)

for _ <- 1..2, module <- modules do
  {:ok, [{^node, :loaded, ^module}]} = IEx.Helpers.nl([node], module)
end

IO.puts("older way: #{length(modules)} modules twice")
