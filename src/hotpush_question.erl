%% @doc What a device is asked. This module is never sent: the host takes the *parsed terms* of
%% these functions and has them evaluated by the device's own erl_eval, so the answer is there
%% even where no code of ours could load. Hence one clause per function, no local calls, kernel
%% and stdlib only.
-module(hotpush_question).

-export([ask/5, holders/1, transact/3]).

-include("hotpush_look.hrl").

%% @doc Facts, identities and who holds old code.
%%
%% Apps: the applications asked about. Own: those of them whose files' line tables matter.
%% Extra: modules outside of them (consolidated protocols of Elixir's own). Known: what the host
%% remembers of files, `[{App, Fingerprint}]'. Cut: bytes of each digest to answer.
%%
%% The answer is one compressed binary: names repeat, and the link may be slow.
-spec ask([atom()], [atom()], [module()], [{atom(), binary()}], pos_integer()) -> binary().
ask(Apps, Own, Extra, Known, Cut) ->
    Identity = ?IDENTITY,
    Holders = ?HOLDERS,
    Mode = code:get_mode(),
    Prefix = fun(Digest) -> binary:part(Digest, 0, min(Cut, byte_size(Digest))) end,
    Name = fun(Atom) -> atom_to_binary(Atom, utf8) end,
    Text = fun(Chars) -> unicode:characters_to_binary(Chars) end,
    Try = fun(M, F, A) ->
        case erlang:function_exported(M, F, length(A)) of
            true -> try apply(M, F, A) catch _:_ -> none end;
            false -> none
        end
    end,
    %% A protocol may dispatch to an implementation that never got into the firmware.
    Kept = fun(Protocol, Type) ->
        Last = case atom_to_list(Type) of "Elixir." ++ T -> T; T -> T end,
        Mode =:= interactive orelse
            try list_to_existing_atom(atom_to_list(Protocol) ++ "." ++ Last) of
                Impl -> erlang:module_loaded(Impl)
            catch
                error:badarg -> false
            end
    end,
    %% Files of two builds may be alike in size and time, but not in this.
    Firmware = Try('Elixir.Nerves.Runtime.KV', get_active, [<<"nerves_fw_uuid">>]),
    Loaded = maps:from_list(code:all_loaded()),
    Running = maps:from_list([{A, V} || {A, _, V} <- application:which_applications()]),
    %% An application may be loaded, or just stand on the code path.
    Described = [
        begin
            Ebin = case code:lib_dir(App) of
                {error, _} -> none;
                Dir -> filename:join(Dir, "ebin")
            end,
            Keys = case {application:get_all_key(App), Ebin} of
                {{ok, Ks}, _} -> Ks;
                {undefined, none} -> [];
                {undefined, _} ->
                    case file:consult(filename:join(Ebin, atom_to_list(App) ++ ".app")) of
                        {ok, [{application, App, Ks}]} -> Ks;
                        _ -> []
                    end
            end,
            {App, Ebin, proplists:get_value(vsn, Keys, ""), proplists:get_value(modules, Keys, [])}
        end
        || App <- Apps],
    Groups = Described ++ [{'', none, "", [M || M <- Extra, code:which(M) =/= non_existing]}],
    Listed = maps:from_list([{M, true} || {_, _, _, Ms} <- Groups, M <- Ms]),
    Identities = maps:from_list([{M, Identity(M)} || M <- maps:keys(maps:merge(Loaded, Listed))]),
    %% Modules that only an earlier push brought are in no .app file: their stamp tells.
    Pushed = [M || {M, {_, {_, _}}} <- maps:to_list(Identities), not maps:is_key(M, Listed)],
    Consolidated = lists:append([
        case file:list_dir(Dir) of
            {ok, Files} -> [{F, filename:join(Dir, F)} || F <- Files];
            _ -> []
        end
        || Dir <- code:get_path(), filename:basename(Dir) =:= "consolidated"]),
    FileOf = fun(Ebin, M) ->
        Base = atom_to_list(M) ++ ".beam",
        case {maps:get(M, Loaded, none), lists:keyfind(Base, 1, Consolidated)} of
            {[_ | _] = File, _} -> File;
            {_, {_, File}} -> File;
            _ when Ebin =:= none ->
                case code:which(M) of [_ | _] = File -> File; _ -> "" end;
            _ -> filename:join(Ebin, Base)
        end
    end,
    Files = [
        begin
            Stats = [
                {M, File, Size, Mtime}
                || M <- Ms,
                   File <- [FileOf(Ebin, M)],
                   {ok, Info} <- [file:read_file_info(File, [raw, {time, posix}])],
                   Size <- [element(2, Info)],
                   Mtime <- [element(6, Info)]],
            Fingerprint = erlang:md5(term_to_binary({Mode, Firmware, Stats})),
            case lists:member({App, Fingerprint}, Known) of
                true ->
                    {Name(App), Fingerprint, known};
                false ->
                    {Name(App), Fingerprint, [
                        begin
                            Md5 = case Mode =:= interactive andalso beam_lib:md5(Bin) of
                                {ok, {_, D}} -> D;
                                _ -> <<>>
                            end,
                            Line = case lists:member(App, Own) andalso
                                       beam_lib:chunks(Bin, ["Line"], [allow_missing_chunks]) of
                                {ok, {_, [{_, L}]}} when is_binary(L) -> erlang:md5(L);
                                _ -> <<>>
                            end,
                            {Name(M), Prefix(Md5), Prefix(Line)}
                        end
                        || {M, File, _, _} <- Stats, {ok, Bin} <- [file:read_file(File)]]}
            end
        end
        || {App, Ebin, _, Ms} <- Groups, Ms =/= [],
           lists:member(App, Own) orelse
               (Mode =:= interactive andalso
                   lists:any(fun(M) -> maps:get(M, Identities) =:= not_loaded end, Ms))],
    Show = fun(Ms) ->
        Plain = [{M, D} || M <- Ms, {D, none} <- [maps:get(M, Identities)]],
        {[Name(M) || {M, _} <- Plain],
         << <<(Prefix(D))/binary>> || {_, D} <- Plain >>,
         [{Name(M), Prefix(D), Name(A), case S of removed -> removed; _ -> Prefix(S) end}
          || M <- Ms, {D, {A, S}} <- [maps:get(M, Identities)]],
         [Name(M) || M <- Ms, maps:get(M, Identities) =:= not_loaded]}
    end,
    Ours = Pushed ++ [M || M <- maps:keys(Listed), maps:get(M, Identities) =/= not_loaded],
    term_to_binary(
        #{otp => list_to_binary(erlang:system_info(otp_release)),
          erts => list_to_binary(erlang:system_info(version)),
          elixir => case application:get_key(elixir, vsn) of {ok, V} -> Text(V); _ -> none end,
          arch => list_to_binary(erlang:system_info(system_architecture)),
          mode => Mode,
          boot => {list_to_binary(os:getpid()),
                   erlang:system_info(start_time) + erlang:time_offset()},
          target => case Try('Elixir.Nerves.Runtime', mix_target, []) of
              none -> none;
              T -> Text(io_lib:format("~ts", [T]))
          end,
          firmware => Firmware,
          cut => Cut,
          apps => [{Name(App), Text(Vsn), maps:is_key(App, Running),
                    Ebin =/= none orelse Ms =/= [], Show(Ms)}
                   || {App, Ebin, Vsn, Ms} <- Groups],
          pushed => Show(Pushed),
          files => Files,
          impls => [{Name(M), [Name(I) || I <- Is, Kept(M, I)]}
                    || M <- Ours, erlang:function_exported(M, '__protocol__', 1),
                       {consolidated, Is} <- [Try(M, '__protocol__', [impls])]],
          nifs => [Name(M) || M <- Ours, erlang:get_module_info(M, nifs) =/= []],
          old => Holders(Ours)},
        [compressed]).

%% @doc Who holds old code of some modules: for `--dry-run' and for looking again.
-spec holders([module()]) -> [{binary(), binary(), binary()}].
holders(Modules) ->
    (?HOLDERS)(Modules).

%% @doc Brings the agent, lets it work, and takes it out again whatever happened.
%%
%% The registered name is the lock: two pushes to one device would pull the agent from under each
%% other. The group leader is the device's own, since code that starts here outlives the visit.
-spec transact(binary(), atom(), term()) -> term().
transact(Agent, Function, Argument) ->
    Me = self(),
    Leader = case whereis(user) of undefined -> whereis(init); User -> User end,
    group_leader(Leader, Me),
    case try register(hotpush_transaction, Me) catch error:badarg -> false end of
        true ->
            try
                {module, _} = code:load_binary(hotpush_agent, "hotpush_agent.beam", Agent),
                hotpush_agent:Function(Argument)
            after
                code:delete(hotpush_agent),
                code:purge(hotpush_agent),
                unregister(hotpush_transaction)
            end;
        _ when Function =:= stage ->
            {Host, Ref} = Argument,
            Host ! {Ref, busy};
        _ ->
            busy
    end.
