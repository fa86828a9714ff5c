%% @doc The device's end of a visit over ssh. Never sent as a module: like hotpush_question, its
%% body goes over as parsed terms, here to the evaluator behind `ssh host '<expression>'`.
%%
%% Frames come in by lines, each a base64 text behind `+' (more to come) or `.' (the last); they go
%% out by lines of base64 behind "hotpush+ " (more to come) or "hotpush " (the last). Inside stand
%% external terms:
%%
%%   in:  {call, Id, {M, F, A}}   answered by {Id, answer, Value}
%%        {start, Id, {M, F, A}}  whatever sends {Id, Value} here is passed on as an answer
%%        {send, Id, Tuple}       a message to that process, with Id as its first element
%%        {stop, Id}              answered by {Id, stopped}, and nothing else of Id after it
%%        ping, bye
%% Whoever is started gets {Id, alive} for each line until it is stopped, so that it knows that the
%% host is there.
%%   out: {ready, Pid}, {Id, answer, Value}, {Id, raised, Text}, {Id, stopped}
%%
%% A visit may last for hours: what is kept here belongs to what runs.
-module(hotpush_link).

-export([serve/1]).

%% @doc Serves until the host says bye, the connection is closed, or nothing was heard for Silence
%% ms: OTP's daemon does not pass on that the input has ended (seen on 25, 27, 29), and a line that
%% was cut ends nothing by itself.
-spec serve(pos_integer()) -> left.
serve(Silence) ->
    Me = self(),
    %% In pieces: OTP 25's daemon breaks off at a write of some megabytes. Each is a line, so that
    %% what others write here stands between them. They are no multiples of 80, or OTP 29's daemon
    %% writes a blank and a backspace behind each, as if there was a terminal.
    Write = fun
        Write(<<Piece:49152/binary, Rest/binary>>) when Rest =/= <<>> ->
            io:put_chars(["hotpush+ ", Piece, "\n"]),
            Write(Rest);
        Write(Rest) ->
            io:put_chars(["hotpush ", Rest, "\n"])
    end,
    Say = fun(Term) -> Write(base64:encode(term_to_binary(Term, [compressed]))) end,
    Reader = spawn_link(fun() ->
        Read = fun Read() ->
            Line = io:get_line(""),
            Me ! {line, Line},
            case is_list(Line) orelse is_binary(Line) of true -> Read(); false -> ok end
        end,
        Read()
    end),
    %% Not linked: a transaction that has begun is finished, even if the host goes away.
    Start = fun(Work) ->
        element(1, spawn_monitor(fun() ->
            try Work() catch
                C:R -> exit({hotpush_raised, unicode:characters_to_binary(
                           io_lib:format("~tw: ~tP", [C, R, 30]))})
            end
        end))
    end,
    Leader = group_leader(),
    monitor(process, Leader),
    %% For hotpush_question:settle/2.
    put(hotpush_link, true),
    Serve = fun Serve(Parts, Running) ->
        receive
            {line, Line} when is_list(Line); is_binary(Line) ->
                [Pid ! {Id, alive} || {Id, Pid} <- maps:to_list(Running), is_pid(Pid)],
                case iolist_to_binary(Line) of
                    <<"+", Part/binary>> ->
                        Serve([base64:decode(Part) | Parts], Running);
                    <<".", Part/binary>> ->
                        Whole = lists:reverse([base64:decode(Part) | Parts]),
                        case binary_to_term(iolist_to_binary(Whole)) of
                            {call, Id, {M, F, A}} ->
                                Pid = Start(fun() -> Me ! {Id, apply(M, F, A)} end),
                                Serve([], Running#{Id => called, Pid => Id});
                            {start, Id, {M, F, A}} ->
                                Pid = Start(fun() -> apply(M, F, A) end),
                                Serve([], Running#{Id => Pid, Pid => Id});
                            {send, Id, Message} ->
                                case Running of
                                    #{Id := Pid} when is_pid(Pid) ->
                                        Pid ! erlang:insert_element(1, Message, Id);
                                    _ -> gone
                                end,
                                Serve([], Running);
                            {stop, Id} ->
                                Say({Id, stopped}),
                                Serve([], maps:remove(Id, Running));
                            ping ->
                                Serve([], Running);
                            bye ->
                                left
                        end;
                    _ ->
                        Serve(Parts, Running)
                end;
            {line, _} ->
                left;
            {Id, Value} when is_integer(Id), is_map_key(Id, Running) ->
                Say({Id, answer, Value}),
                Serve(Parts, Running);
            {'DOWN', _, process, Leader, _} ->
                left;
            {'DOWN', _, process, Pid, Reason} ->
                Id = maps:get(Pid, Running),
                case Reason of
                    _ when Reason =:= normal; not is_map_key(Id, Running) -> ok;
                    {hotpush_raised, Text} -> Say({Id, raised, Text});
                    _ -> Say({Id, raised, unicode:characters_to_binary(
                                  io_lib:format("~tP", [Reason, 30]))})
                end,
                Serve(Parts, maps:without([Id, Pid], Running));
            _ ->
                Serve(Parts, Running)
        after Silence ->
            left
        end
    end,
    Say({ready, pid_to_list(Me)}),
    Serve([], #{}),
    unlink(Reader),
    exit(Reader, kill),
    left.
