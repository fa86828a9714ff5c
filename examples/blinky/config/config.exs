import Config

cookie = :"secret token shared between nodes"

if config_env() == :dev do
  # On your computer: what `mix upload.hotswap` reads.
  config :hotpush,
    app_name: :blinky,
    nodes: [:"blinky@127.0.0.1"],
    cookie: cookie

  # On the device: what Blinky.Application reads. hotpush itself is not there.
  # With distribution up, whoever has the cookie can do anything: development only.
  config :blinky, distribution: [name: :"blinky@127.0.0.1", cookie: cookie]
end
